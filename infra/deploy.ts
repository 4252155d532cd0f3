/** What `infra/deploy` does once the functions are packed. Arguments are cdk's. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

import { place, stackOf } from './account.ts'
import { type Contexts, contextsOf, keptOf, nameOf } from './lib/contexts.ts'

type Outputs = Record<string, string>

const secretsManager = new SecretsManagerClient({})

async function main(args: string[]): Promise<void> {
  const folder = process.env.CDP_DIR!
  const given = contextsOf(args)
  const stack = `cdp-${nameOf(given)}`
  const kept = keptIn(join(folder, 'aws.toml'), given)
  const chosen = { ...kept, ...given }
  const packed = packedArchitecture(chosen)
  const secrets = readFileSync(join(folder, 'secrets.toml'), 'utf8')
  // Enough to tell two texts apart, too little to search for one.
  const version = createHash('sha256').update(secrets).digest('hex').slice(0, 12)

  console.error(`${stack} is deployed to ${await place()}${listed(', from aws.toml', kept)}${listed(', given', given)}`)
  await checkStage(stack, chosen.stage ?? 'dev')
  const contexts = Object.entries({ ...kept, architecture: packed, secretsVersion: version })
  const all = [...contexts.flatMap(([name, value]) => ['-c', `${name}=${value}`]), ...args]
  if ((await outputsOf('CDKToolkit')) === undefined) cdk('bootstrap', ...all)

  // Before the functions restart, so that they find the new text; the first time there is nowhere to put it yet.
  const before = await outputsOf(stack)
  if (before !== undefined) await putSecrets(before, secrets)
  const written = join(mkdtempSync(join(tmpdir(), 'cdp-deploy-')), 'outputs.json')
  cdk('deploy', stack, '--require-approval', 'never', '--outputs-file', written, ...all)
  const outputs = (JSON.parse(readFileSync(written, 'utf8')) as Record<string, Outputs>)[stack]!
  if (before === undefined) await putSecrets(outputs, secrets)

  tell(stack, outputs)
}

function keptIn(file: string, given: Contexts): Contexts {
  return existsSync(file) ? keptOf(readFileSync(file, 'utf8'), given) : {}
}

/** Which functions there are is decided when they are packed, and only there. */
function packedArchitecture({ architecture }: Contexts): string {
  const packed = readFileSync(join(import.meta.dirname, '.build/architecture'), 'utf8').trim()
  if (architecture !== undefined && architecture !== packed) {
    throw new Error(`context architecture: the functions are built for ${packed}, not for '${architecture}'. Choose it when they are \
built: CDP_ARCHITECTURE=${architecture}`)
  }
  return packed
}

/** A deployment that becomes one of the other stage by a forgotten context would give up what protects its data. */
async function checkStage(stack: string, stage: string): Promise<void> {
  const before = (await stackOf(stack))?.Tags?.find(({ Key }) => Key === 'stage')?.Value
  if (before !== undefined && before !== stage) {
    throw new Error(`${stack} is of the stage ${before}: give -c stage=${before}, or write it into aws.toml`)
  }
}

function listed(what: string, contexts: Contexts): string {
  const pairs = Object.entries(contexts).map(([name, value]) => `${name}=${value}`)
  return pairs.length === 0 ? '' : `${what}: ${pairs.join(' ')}`
}

function cdk(...args: string[]): void {
  const { status } = spawnSync('npx', ['cdk', ...args], { stdio: 'inherit' })
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

function tell(stack: string, outputs: Outputs): void {
  const width = Math.max(...Object.keys(outputs).map((name) => name.length))
  console.log(`\n${stack} is deployed.\n`)
  for (const [name, value] of Object.entries(outputs).sort()) console.log(`  ${name.padEnd(width)}  ${value}`)

  const url = new URL(outputs.ApiUrl!)
  const isEmulator = url.hostname.endsWith('.localhost')
  const send = isEmulator ? `-H 'Host: ${url.host}' ${process.env.AWS_ENDPOINT_URL}` : url.origin
  console.log(`\nSend it an event, with a write key of secrets.toml:\n
  curl -u "$KEY:" ${send}/v1/track -H 'content-type: application/json' -d '{"userId":"jane","event":"Signed Up"}'\n`)
}

await main(process.argv.slice(2)).catch((fault: unknown) => {
  console.error(`deploy: ${fault instanceof Error ? fault.message : fault}`)
  process.exit(1)
})
