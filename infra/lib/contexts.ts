/**
 * What `infra/deploy` was told of a deployment: by cdk's `-c NAME=VALUE`, and by `aws.toml` in the deployment's folder, which
 * has a table for each deployment, called as it is: by its name, else by its stage. The command line goes first.
 */
import { Refusal } from './refusal.ts'
import { CONTEXTS } from './settings.ts'
import { parsed } from './toml.ts'

export type Contexts = Record<string, string>

/** Of cdk's arguments. */
export function contextsOf(args: readonly string[]): Contexts {
  const contexts: Contexts = {}
  args.forEach((arg, at) => {
    const isBare = arg === '-c' || arg === '--context'
    const pair = isBare ? args[at + 1] : /^(?:--context=|-c=?)(.+=.*)$/.exec(arg)?.[1]
    const [, name, value] = /^([^=]+)=(.*)$/.exec(pair ?? '') ?? []
    if (name !== undefined) contexts[name] = value!
  })
  // Those with an @ are cdk's own.
  for (const name of Object.keys(contexts)) if (!name.includes('@')) check(name, '-c')
  return contexts
}

/** What the deployment is called; its stack is `cdp-NAME`. */
export function nameOf(given: Contexts): string {
  return given.name ?? given.stage ?? 'dev'
}

/** What `text`, an `aws.toml`, adds to what was `given`. */
export function keptOf(text: string, given: Contexts): Contexts {
  const name = nameOf(given)
  const table = parsed('aws.toml', text)[name] ?? {}
  if (typeof table !== 'object' || Array.isArray(table) || table instanceof Date) {
    throw new Refusal(`aws.toml: ${name} is no table: write [${name}], and a line for each context below it`)
  }
  const kept: Contexts = {}
  for (const [context, value] of Object.entries(table)) {
    check(context, `aws.toml: [${name}]`)
    if (context === 'name') throw new Refusal(`aws.toml: [${name}] is the name: take the line \`name\` out`)
    if (!['string', 'number', 'bigint', 'boolean'].includes(typeof value)) {
      throw new Refusal(`aws.toml: [${name}] ${context}: a text or a number`)
    }
    if (given[context] === undefined) kept[context] = String(value)
  }
  return kept
}

function check(name: string, where: string): void {
  if (!(CONTEXTS as readonly string[]).includes(name)) {
    throw new Refusal(`${where} ${name}: there is no such context; there are ${CONTEXTS.join(', ')}`)
  }
}
