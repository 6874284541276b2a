// Reports drift in one issue per stack. An HTML comment in its first line identifies it and has its state: the outcome
// and, for drift, a digest; then the outcome of a later check that failed.
//
//   tonight       no issue is open       one is open
//   drift         opens one              updates its text; comments if the drift is not that of the night before
//   unknown       opens one              keeps the text of the last successful check; comments once
//   as declared   nothing                comments and closes it

const crypto = require('node:crypto')
const fs = require('node:fs')

const LONGEST = 65536 // characters in an issue

// The beginning of a text, without half a character at its end.
const begin = (text, length) => text.slice(0, length).replace(/[\ud800-\udbff]$/, '')

const DRIFT = new Map([
  ['changes', 'is no longer as declared'],
  ['fails', 'is no longer as declared, and an `up` would fail'],
])
const UNKNOWN = new Map([
  ['misconfigured', 'cannot be checked: its configuration is wrong'],
  ['undetermined', 'could not be checked'], // also an outcome of a later version
])

const NO_REPORT = { outcome: 'undetermined', headline: 'There is no report: a step before the review failed.' }
const AS_DECLARED = 'cancelled already' // the effect on a device that is as declared

// A digest of the drift: devices and effects, without times and the status of upgrades.
const digestOf = ({ sets, others }) => {
  const rows = [
    ...sets.filter((set) => set.change !== 'none').map((set) => [set.name, set.jobId, set.change, ...set.metadata]),
    ...sets.flatMap((set) =>
      set.keys.filter((key) => key.effect !== AS_DECLARED).map((key) => [set.name, set.jobId, key.deviceKey, key.effect]),
    ),
    ...others.map((change) => [change.op, change.type, change.name]),
  ]
  const text = rows.map((row) => JSON.stringify(row)).sort()
  return crypto.createHash('sha256').update(text.join('\n')).digest('hex').slice(0, 16)
}

// The number of devices by effect. It has no text of other people, as a comment is not escaped.
const countsOf = ({ sets }) => {
  const counts = new Map()
  for (const [effect, number] of sets.flatMap((set) => Object.entries(set.counts))) {
    if (effect !== AS_DECLARED) counts.set(effect, (counts.get(effect) ?? 0) + number)
  }
  return [...counts].map(([effect, number]) => `${number} ${effect}`).join(', ')
}

// What to do; `up` only where it has something to do.
const adviceOn = ({ sets, others, previewed }) => {
  const changing = sets.filter((set) => set.change !== 'none')
  const refused = !previewed || changing.some((set) => set.errors.length)
  const lost = sets.some((set) => set.change === 'none' && (set.errors.length || set.outdated))
  const open = previewed && (others.length || changing.some((set) => !set.errors.length))
  const advice = []
  if (open) {
    const what = refused || lost ? 'what it can of the declared state' : 'the declared state'
    advice.push(`Merge a corrected declaration, or start a new run of \`up\`: it restores ${what}.`)
  }
  if (refused) advice.push('An `up` would fail: the review below says why, and what to change.')
  if (lost) {
    advice.push(
      '`up` cannot cancel the tasks of some devices: handle them in the EnOS console, then take them out of the set.',
    )
  }
  return advice.join(' ')
}

// The change, as one comment.
const changeOf = (report, isKnown) => {
  const counts = countsOf(report)
  const change = isKnown ? 'The drift has changed' : 'The check succeeded: there is drift'
  return `${change}${counts && `: ${counts}`}. The text above is from tonight.`
}

module.exports = async ({ github, context, core }) => {
  const { PULUMI_STACK } = process.env
  const { owner, repo } = context.repo
  const run = `[run](${context.serverUrl}/${owner}/${repo}/actions/runs/${context.runId})`
  const marker = `<!-- enos-ota drift: ${PULUMI_STACK}: `

  const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '')
  const report = { sets: [], others: [], ...JSON.parse(read('review.json') || JSON.stringify(NO_REPORT)) }
  const { headline } = report

  const open = await github.paginate(github.rest.issues.listForRepo, { owner, repo, state: 'open', per_page: 100 })
  const issue = open.find((each) => each.user?.type === 'Bot' && each.body?.startsWith(marker))
  const target = { owner, repo, issue_number: issue?.number }
  const comment = (text) => github.rest.issues.createComment({ ...target, body: `${text}\n\n${headline} (${run})` })

  if (report.outcome === 'fine') {
    core.notice(headline)
    if (!issue) return
    await comment('All sets are as declared again.')
    await github.rest.issues.update({ ...target, state: 'closed', state_reason: 'completed' })
    return
  }

  core.error(headline)
  const isDrift = DRIFT.has(report.outcome)
  const outcome = isDrift || UNKNOWN.has(report.outcome) ? report.outcome : 'undetermined'
  const now = isDrift ? `${outcome} ${digestOf(report)}` : outcome
  const state = issue?.body.slice(marker.length).split(' -->', 1)[0] ?? ''
  const [shown, failure] = state.split(', then ')
  const showsDrift = DRIFT.has(shown.split(' ', 1)[0])
  if (!isDrift && showsDrift) {
    if (failure === now) return
    await comment("Tonight's check failed. The text above is from the last successful check.")
    const kept = `${marker}${shown}, then ${now}${issue.body.slice(marker.length + state.length)}`
    await github.rest.issues.update({ ...target, body: begin(kept, LONGEST) })
    return
  }

  const title = `enos-ota: ${PULUMI_STACK} ${(isDrift ? DRIFT : UNKNOWN).get(outcome)}`
  const advice = isDrift
    ? adviceOn(report)
    : 'This is not drift: the check failed. See the run; the next night checks again.'
  const head = `${marker}${now} -->\n**${headline}** ${advice} (${run})\n\n`
  const body = begin(head + read('review.md'), LONGEST)
  if (!issue) {
    await github.rest.issues.create({ owner, repo, title, body })
    return
  }
  if (now !== state) {
    const known = showsDrift && !failure
    await comment(isDrift ? changeOf(report, known) : 'The check failed again, for another reason.')
  }
  await github.rest.issues.update({ ...target, title, body })
}
