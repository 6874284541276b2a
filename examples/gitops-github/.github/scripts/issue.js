// Tells of drift in one issue for each stack. Its first line, which nobody sees, finds it again, and says what it is of:
// the outcome and, of drift, a digest; then what came since, if that could not tell.
//
//   tonight         no issue is open       one is open
//   drift           opens it               brings its text up to date; comments if it is another than the night before
//   cannot be told  opens it, as that      keeps the text, which is of the last night that could tell; comments once
//   as declared     nothing                comments and closes it

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
  ['undetermined', 'could not be checked'], // as is an outcome of a later version
])

const NO_REPORT = { outcome: 'undetermined', headline: 'There is no report: a step before the review failed.' }
const AS_DECLARED = 'cancelled already' // the effect of a device that nobody has to be told about

// Tells one drift from another: by devices and what became of them, not by a time or the status of an upgrade.
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

// How many devices are how. No text of others is in it: a comment is not escaped.
const countsOf = ({ sets }) => {
  const counts = new Map()
  for (const [effect, number] of sets.flatMap((set) => Object.entries(set.counts))) {
    if (effect !== AS_DECLARED) counts.set(effect, (counts.get(effect) ?? 0) + number)
  }
  return [...counts].map(([effect, number]) => `${number} ${effect}`).join(', ')
}

// What helps: an `up` only where it has something to do.
const adviceOn = ({ sets, others, previewed }) => {
  const changing = sets.filter((set) => set.change !== 'none')
  const refused = !previewed || changing.some((set) => set.errors.length)
  const lost = sets.some((set) => set.change === 'none' && (set.errors.length || set.outdated))
  const open = previewed && (others.length || changing.some((set) => !set.errors.length))
  const advice = []
  if (open) {
    const what = refused || lost ? 'what it can' : 'it'
    advice.push(`Merge a change that says what is right, or start a new run of \`up\`: it makes ${what} as declared.`)
  }
  if (refused) advice.push('An `up` would fail: below stands why, and what to change.')
  if (lost) {
    advice.push('About devices that cannot be called back `up` does nothing: see to them, and take them out of their set.')
  }
  return advice.join(' ')
}

// What the night brought, for those who read comments alone.
const newsOf = (report, isKnown) => {
  const counts = countsOf(report)
  const news = isKnown ? 'The drift has changed' : 'Now it can be told: there is drift'
  return `${news}${counts && `: ${counts}`}. What stands above is of this night.`
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
  const say = (text) => github.rest.issues.createComment({ ...target, body: `${text}\n\n${headline} (${run})` })

  if (report.outcome === 'fine') {
    core.notice(headline)
    if (!issue) return
    await say('All is as declared again.')
    await github.rest.issues.update({ ...target, state: 'closed', state_reason: 'completed' })
    return
  }

  core.error(headline)
  const isDrift = DRIFT.has(report.outcome)
  const outcome = isDrift || UNKNOWN.has(report.outcome) ? report.outcome : 'undetermined'
  const now = isDrift ? `${outcome} ${digestOf(report)}` : outcome
  const state = issue?.body.slice(marker.length).split(' -->', 1)[0] ?? ''
  const [told, since] = state.split(', then ')
  const toldDrift = DRIFT.has(told.split(' ', 1)[0])
  if (!isDrift && toldDrift) {
    if (since === now) return
    await say('This night could not tell. What stands above is of the last night that could.')
    const kept = `${marker}${told}, then ${now}${issue.body.slice(marker.length + state.length)}`
    await github.rest.issues.update({ ...target, body: begin(kept, LONGEST) })
    return
  }

  const title = `enos-ota: ${PULUMI_STACK} ${(isDrift ? DRIFT : UNKNOWN).get(outcome)}`
  const advice = isDrift
    ? adviceOn(report)
    : 'This is no drift: nobody knows. Look into the run; the next night tries again.'
  const head = `${marker}${now} -->\n**${headline}** ${advice} (${run})\n\n`
  const body = begin(head + read('review.md'), LONGEST)
  if (!issue) {
    await github.rest.issues.create({ owner, repo, title, body })
    return
  }
  if (now !== state) await say(isDrift ? newsOf(report, toldDrift && !since) : 'Nobody knows still, for another reason.')
  await github.rest.issues.update({ ...target, title, body })
}
