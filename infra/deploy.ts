/** What `infra/deploy` does once the functions are packed. Arguments are cdk's. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'

type Outputs = Record<string, string>

const formation = new CloudFormationClient({})
const secretsManager = new SecretsManagerClient({})

async function main(args: string[]): Promise<void> {
  const stack = `cdp-${contextOf(args, 'name') ?? contextOf(args, 'stage') ?? 'dev'}`
  const secrets = readFileSync(join(process.env.CDP_DIR!, 'secrets.toml'), 'utf8')
  // Enough to tell two texts apart, too little to search for one.
  const version = createHash('sha256').update(secrets).digest('hex').slice(0, 12)

  if ((await outputsOf('CDKToolkit')) === undefined) cdk('bootstrap', ...args)

  // Before the functions restart, so that they find the new text; the first time there is nowhere to put it yet.
  const before = await outputsOf(stack)
  if (before !== undefined) await putSecrets(before, secrets)
  const written = join(mkdtempSync(join(tmpdir(), 'cdp-deploy-')), 'outputs.json')
  const contexts = [...architecture(args), '-c', `secretsVersion=${version}`, ...args]
  cdk('deploy', stack, '--require-approval', 'never', '--outputs-file', written, ...contexts)
  const outputs = (JSON.parse(readFileSync(written, 'utf8')) as Record<string, Outputs>)[stack]!
  if (before === undefined) await putSecrets(outputs, secrets)

  tell(stack, outputs)
}

function contextOf(args: string[], name: string): string | undefined {
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** As the functions were packed. */
function architecture(args: string[]): string[] {
  const packed = process.env.CDP_ARCHITECTURE
  return packed === undefined || contextOf(args, 'architecture') !== undefined ? [] : ['-c', `architecture=${packed}`]
}

function cdk(...args: string[]): void {
  const { status } = spawnSync('npx', ['cdk', ...args], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** `undefined`: there is no such stack, or none that was ever complete. */
async function outputsOf(stack: string): Promise<Outputs | undefined> {
  try {
    const { Stacks } = await formation.send(new DescribeStacksCommand({ StackName: stack }))
    const outputs = Stacks?.[0]?.Outputs ?? []
    if (outputs.length === 0) return undefined
    return Object.fromEntries(outputs.map(({ OutputKey, OutputValue }) => [OutputKey!, OutputValue!]))
  } catch (fault) {
    if (fault instanceof Error && fault.message.includes('does not exist')) return undefined
    throw fault
  }
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

await main(process.argv.slice(2))
