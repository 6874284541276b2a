// Tells of drift in one issue for each stack. Its first line, which nobody sees, finds it again and says what it is about.
//
//   tonight         no issue is open       one is open
//   drift           opens it               brings its text up to date; comments if the night before was no drift
//   cannot be told  opens it, as that      keeps the text, which is of the last night that could tell; comments once
//   as declared     nothing                comments and closes it

const fs = require('node:fs')

const LONGEST = 65536 // characters in an issue

// The beginning of a text, without half a character at its end.
const begin = (text, length) => text.slice(0, length).replace(/[\ud800-\udbff]$/, '')

const TOLD = new Map([
  ['changes', ['drift', 'is no longer as declared']],
  ['fails', ['drift', 'is no longer as declared, and an `up` would fail']],
  ['misconfigured', ['unknown', 'cannot be checked: its configuration is wrong']],
])
const NOT_KNOWN = ['unknown', 'could not be checked'] // undetermined, or an outcome of a later version

module.exports = async ({ github, context, core }) => {
  const { PULUMI_STACK } = process.env
  const { owner, repo } = context.repo
  const run = `[run](${context.serverUrl}/${owner}/${repo}/actions/runs/${context.runId})`
  const marker = `<!-- enos-ota drift: ${PULUMI_STACK}: `

  const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '')
  const { outcome, headline } = JSON.parse(
    read('review.json') || '{"outcome": "undetermined", "headline": "There is no report: a step before the review failed."}',
  )

  const open = await github.paginate(github.rest.issues.listForRepo, { owner, repo, state: 'open', per_page: 100 })
  const issue = open.find((each) => each.user?.type === 'Bot' && each.body?.startsWith(marker))
  const target = { owner, repo, issue_number: issue?.number }
  const say = (text) => github.rest.issues.createComment({ ...target, body: `${text}\n\n${headline} (${run})` })

  if (outcome === 'fine') {
    core.notice(headline)
    if (!issue) return
    await say('All is as declared again.')
    await github.rest.issues.update({ ...target, state: 'closed', state_reason: 'completed' })
    return
  }

  const [kind, text] = TOLD.get(outcome) ?? NOT_KNOWN
  core.error(headline)
  const before = issue?.body.slice(marker.length).split(' -->', 1)[0]
  if (issue && kind === 'unknown' && before !== 'unknown') {
    if (before === 'drift') {
      await say('This night could not tell. What stands above is of the last night that could.')
      const kept = issue.body.replace(`${marker}drift -->`, `${marker}drift, then unknown -->`)
      await github.rest.issues.update({ ...target, body: kept })
    }
    return
  }

  const title = `enos-ota: ${PULUMI_STACK} ${text}`
  const advice =
    kind === 'drift'
      ? 'Merge a change that says what is right, or run the `up` workflow: it makes it as declared.'
      : 'This is no drift: nobody knows. Look into the run; the next night tries again.'
  const head = `${marker}${kind} -->\n**${headline}** ${advice} (${run})\n\n`
  const body = begin(head + read('review.md'), LONGEST)
  if (!issue) {
    await github.rest.issues.create({ owner, repo, title, body })
    return
  }
  await github.rest.issues.update({ ...target, title, body })
  if (kind !== before) await say('Now it can be told: there is drift.')
}
