// Writes the review as one comment on the pull request, edited after each push. An HTML comment in its first line
// identifies it. Where the token may not comment (a fork, Dependabot), the review is in the summary of the run alone.

const fs = require('node:fs')

const LONGEST = 65536 // characters in a comment

// The beginning of a text, without half a character at its end.
const begin = (text, length) => text.slice(0, length).replace(/[\ud800-\udbff]$/, '')

module.exports = async ({ github, context, core }) => {
  const { PULUMI_STACK, PULUMI_BACKEND_URL, REPORT_URL } = process.env
  const { owner, repo } = context.repo
  const run = `${context.serverUrl}/${owner}/${repo}/actions/runs/${context.runId}`
  const marker = `<!-- enos-ota review: ${PULUMI_STACK} -->\n`

  const review = fs.existsSync('review.md') ? fs.readFileSync('review.md', 'utf8').replace(marker, '') : ''
  const notes = []
  if (!review) notes.push(`**There is no review of \`${PULUMI_STACK}\`:** a step of [this run](${run}) failed before it.`)
  if (PULUMI_BACKEND_URL === 'file://.') {
    notes.push('**Without the state:** this run has no secrets, so every declared set looks new here.')
  }
  if (REPORT_URL) notes.push(`[Every device key, to search and filter](${REPORT_URL}) · [run](${run})`)

  const head = marker + notes.map((note) => `${note}\n\n`).join('')
  const cut = `\n\n… cut here: the rest is in the [run](${run}).`
  const fits = head.length + review.length <= LONGEST
  const body = head + (fits ? review : begin(review, LONGEST - head.length - cut.length) + cut)

  await core.summary.addRaw(body).write()
  try {
    const issue = { owner, repo, issue_number: context.issue.number }
    const comments = await github.paginate(github.rest.issues.listComments, { ...issue, per_page: 100 })
    const ours = comments.find((comment) => comment.user?.type === 'Bot' && comment.body?.startsWith(marker))
    if (ours) await github.rest.issues.updateComment({ owner, repo, comment_id: ours.id, body })
    else await github.rest.issues.createComment({ ...issue, body })
  } catch (error) {
    if (error.status !== 403) throw error
    core.warning('This run may not comment, like every run of a fork: the review is in its summary.')
  }
}
