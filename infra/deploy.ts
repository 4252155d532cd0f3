/** What `infra/deploy` does once the deployment's folder is known to be sound. Arguments are cdk's. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { App } from 'aws-cdk-lib'

import { place, stackOf } from './account.ts'
import { type Contexts, contextsOf, keptOf, nameOf } from './lib/contexts.ts'
import { end, Refusal } from './lib/refusal.ts'
import { readSettings } from './lib/settings.ts'
import { readDropSources } from './lib/sources.ts'

type Outputs = Record<string, string>

const secretsManager = new SecretsManagerClient({})

async function main(args: string[]): Promise<void> {
  const folder = process.env.CDP_DIR!
  const given = contextsOf(args)
  const stack = `cdp-${nameOf(given)}`
  const kept = keptIn(join(folder, 'aws.toml'), given)
  const chosen = { ...kept, ...given }
  const settings = readSettings(new App({ context: { ...chosen, name: nameOf(given) } }).node)
  readDropSources(join(folder, 'cdp.toml'))
  const secrets = readFileSync(join(folder, 'secrets.toml'), 'utf8')
  // Enough to tell two texts apart, too little to search for one.
  const version = createHash('sha256').update(secrets).digest('hex').slice(0, 12)

  run('./package')
  const packed = packedArchitecture(chosen)
  console.error(`${stack} is deployed to ${await place()}${listed(', from aws.toml', kept)}${listed(', given', given)}`)
  await checkStage(stack, settings.stage)
  const contexts = Object.entries({ ...kept, architecture: packed, secretsVersion: version })
  const all = [...contexts.flatMap(([name, value]) => ['-c', `${name}=${value}`]), ...args]
  if ((await outputsOf('CDKToolkit')) === undefined) cdk('bootstrap', ...all)

  // Before the functions restart, so that they find the new text; the first time there is nowhere to put it yet.
  const before = await outputsOf(stack)
  if (before !== undefined) await putSecrets(before, secrets)
  cdk('deploy', stack, '--require-approval', 'never', ...all)
  const outputs = await outputsOf(stack)
  if (outputs === undefined) return
  if (before === undefined) await putSecrets(outputs, secrets)

  tell(stack, outputs, join(folder, 'secrets.toml'))
}

function keptIn(file: string, given: Contexts): Contexts {
  return existsSync(file) ? keptOf(readFileSync(file, 'utf8'), given) : {}
}

/** Which functions there are is decided when they are packed, and only there. */
function packedArchitecture({ architecture }: Contexts): string {
  const packed = readFileSync(join(import.meta.dirname, '.build/architecture'), 'utf8').trim()
  if (architecture !== undefined && architecture !== packed) {
    throw new Refusal(`context architecture: the functions are built for ${packed}, not for '${architecture}'. Choose it when they are \
built: CDP_ARCHITECTURE=${architecture}`)
  }
  return packed
}

/** A deployment that becomes one of the other stage by a forgotten context would give up what protects its data. */
async function checkStage(stack: string, stage: string): Promise<void> {
  const before = (await stackOf(stack))?.Tags?.find(({ Key }) => Key === 'stage')?.Value
  if (before !== undefined && before !== stage) {
    throw new Refusal(`${stack} is of the stage ${before}: give -c stage=${before}, or write it into aws.toml`)
  }
}

function listed(what: string, contexts: Contexts): string {
  const pairs = Object.entries(contexts).map(([name, value]) => `${name}=${value}`)
  return pairs.length === 0 ? '' : `${what}: ${pairs.join(' ')}`
}

function cdk(...args: string[]): void {
  run('npx', 'cdk', ...args)
}

function run(command: string, ...args: string[]): void {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** `undefined`: there is no such stack, or none that was ever complete. */
async function outputsOf(stack: string): Promise<Outputs | undefined> {
  const outputs = (await stackOf(stack))?.Outputs ?? []
  if (outputs.length === 0) return undefined
  return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey!, OutputValue!]))
}

async function putSecrets(outputs: Outputs, text: string): Promise<void> {
  const SecretId = outputs.SecretArn!
  const { SecretString } = await secretsManager.send(new GetSecretValueCommand({ SecretId }))
  if (SecretString === text) return
  await secretsManager.send(new PutSecretValueCommand({ SecretId, SecretString: text }))
  console.error('secrets.toml is put')
}

/** What comes next. The outputs were printed by cdk. */
function tell(stack: string, outputs: Outputs, secretsFile: string): void {
  const url = new URL(outputs.ApiUrl!)
  const isEmulator = url.hostname.endsWith('.localhost')
  const send = isEmulator ? `-H 'Host: ${url.host}' ${process.env.AWS_ENDPOINT_URL}` : url.origin
  console.log(`\n${stack} is deployed. Send it an event, with a write key of ${secretsFile}:\n
  curl -u "$KEY:" ${send}/v1/track -H 'content-type: application/json' -d '{"userId":"jane","event":"Signed Up"}'\n`)
  if (!isEmulator) return
  console.log('Before commands with --aws, so that they ask the emulator:\n\n  eval "$(infra/emulator env)"\n')
  // The output SftpEndpoint is AWS's name, which leads nowhere here.
  if (outputs.SftpEndpoint !== undefined) console.log(`SFTP answers at 127.0.0.1:${process.env.CDP_SFTP_PORT ?? '$CDP_SFTP_PORT'}\n`)
}

await main(process.argv.slice(2)).catch((fault: unknown) => end('deploy', fault))
