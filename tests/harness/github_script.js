// Runs the script of an actions/github-script step against a GitHub that is a few lists. It reads on stdin, as JSON, the
// script, the lists and the calls that are denied; writes lists, calls and messages to the file that it is told.
//
// Calls are as strict as the API: an argument that is missing or that nobody knows is an error, as is a text that is too
// long; lists come in pages of at most 100, 30 if nothing is said.

const fs = require('node:fs')
const path = require('node:path')
const { createRequire } = require('node:module')

const given = JSON.parse(fs.readFileSync(0, 'utf8'))
const { comments, issues, notes, denied } = given
const calls = []
const core = []

const BOT = { login: 'github-actions[bot]', type: 'Bot' }
const HERE = { owner: 'fleet', repo: 'ota' }

const refuse = (status, message) => {
  throw Object.assign(new Error(message), { status })
}

const call = (name, required, optional, perform) => async (args) => {
  calls.push({ name, args })
  for (const field of required) if (args[field] === undefined) refuse(422, `${name}: ${field} is missing`)
  for (const field of Object.keys(args)) {
    if (![...required, ...optional].includes(field)) refuse(422, `${name}: nobody knows ${field}`)
  }
  if (args.owner !== HERE.owner || args.repo !== HERE.repo) refuse(404, `${name}: another repository`)
  if (args.body?.length > 65536) refuse(422, 'body is too long (maximum is 65536 characters)')
  if (denied.includes(name)) refuse(403, 'Resource not accessible by integration')
  return { status: 200, data: perform(args) }
}

const repository = ['owner', 'repo']
const paging = ['per_page', 'page']
const page = (list, { per_page: size = 30, page: number = 1 }) => list.slice(size * (number - 1), size * number)
const find = (list, field, value) => list.find((each) => each[field] === value) ?? refuse(404, 'Not Found')

const github = {
  rest: {
    issues: {
      listComments: call('listComments', [...repository, 'issue_number'], paging, (args) => {
        if (args.issue_number !== 7) refuse(404, 'Not Found')
        return page(comments, args)
      }),
      createComment: call('createComment', [...repository, 'issue_number', 'body'], [], (args) => {
        if (args.issue_number === 7) comments.push({ id: 1000 + comments.length, user: BOT, body: args.body })
        else notes.push({ issue_number: find(issues, 'number', args.issue_number).number, body: args.body })
      }),
      updateComment: call('updateComment', [...repository, 'comment_id', 'body'], [], (args) => {
        find(comments, 'id', args.comment_id).body = args.body
      }),
      listForRepo: call('listForRepo', repository, ['state', ...paging], (args) =>
        page(issues.filter((issue) => issue.state === (args.state ?? 'open')), args),
      ),
      create: call('create', [...repository, 'title', 'body'], [], (args) => {
        issues.push({ number: 100 + issues.length, user: BOT, state: 'open', title: args.title, body: args.body })
      }),
      update: call('update', [...repository, 'issue_number'], ['title', 'body', 'state', 'state_reason'], (args) => {
        const { title, body, state } = args
        const known = Object.entries({ title, body, state }).filter(([, value]) => value !== undefined)
        Object.assign(find(issues, 'number', args.issue_number), Object.fromEntries(known))
      }),
    },
  },
  paginate: async (list, args) => {
    const all = []
    for (let number = 1; ; number += 1) {
      const { data } = await list({ ...args, page: number })
      all.push(...data)
      if (data.length < (args.per_page ?? 30)) return all
    }
  },
}

const context = { repo: HERE, issue: { number: 7 }, serverUrl: 'https://github.example.com', runId: 4711 }

const summary = { pending: '' }
summary.addRaw = (text) => {
  summary.pending += text
  return summary
}
summary.write = async () => {
  core.push(['summary', summary.pending])
  summary.pending = ''
}
const tell = (what) => (text) => {
  core.push([what, text])
}

const script = new (async () => {}).constructor('github', 'context', 'core', 'require', given.script)
const fromProject = createRequire(path.join(process.cwd(), 'step.js'))

script(github, context, { summary, notice: tell('notice'), warning: tell('warning'), error: tell('error') }, fromProject)
  .catch((error) => {
    console.error(error.message)
    process.exitCode = 1
  })
  .finally(() => fs.writeFileSync(process.argv[2], JSON.stringify({ comments, issues, notes, calls, core })))
