/** What `infra/remove` does: its comment says how it is called. */
import { createInterface } from 'node:readline'

import {
  DeleteStackCommand,
  GetTemplateCommand,
  paginateListStackResources,
  type StackResourceSummary,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation'
import { DeleteBucketCommand, DeleteObjectsCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3'

import { formation, place, stackOf } from './account.ts'
import { end, Refusal } from './lib/refusal.ts'

/** What is found in a bucket while the functions are deleted may have come after it was emptied. */
const ATTEMPTS = 3

const s3 = new S3Client({})

async function main([first, second]: string[]): Promise<void> {
  if (first === '--bucket' && second !== undefined) return removeBucket(second)
  if (first === undefined || first.startsWith('-')) throw new Refusal('infra/remove NAME, or infra/remove --bucket BUCKET')
  return removeStack(first)
}

async function removeBucket(bucket: string): Promise<void> {
  await ask(bucket, `the bucket ${bucket} of ${await place()} will be deleted, with all that it holds`)
  await empty(bucket)
  await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  console.error(`${bucket} is gone`)
}

/** `deployment`: as `infra/deploy` has it in the context `name`. */
async function removeStack(deployment: string): Promise<void> {
  const name = `cdp-${deployment}`
  const where = await place()
  const stack = await stackOf(name)
  if (stack === undefined) throw new Error(`there is no stack ${name} in ${where}`)
  if (stack.EnableTerminationProtection === true) {
    throw new Error(`${name} is protected. If it is to go:\n
  aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name ${name}\n`)
  }
  const { kept, buckets } = await contentsOf(name)
  const ends = buckets.length === 0 ? '' : `, with all that these buckets hold:\n${buckets.map((bucket) => `  ${bucket}\n`).join('')}`
  const stays = kept.length === 0 ? '' : `\n${kept.length} of its resources stay, and are told of afterwards`
  await ask(deployment, `${name} in ${where} will be deleted${ends}${stays}`)

  // By its id a stack is known when it is gone, too.
  const StackName = stack.StackId!
  for (let attempt = 1; ; attempt += 1) {
    for (const bucket of buckets) await empty(bucket)
    await formation.send(new DeleteStackCommand({ StackName }))
    try {
      await waitUntilStackDeleteComplete({ client: formation, maxWaitTime: 3600, minDelay: 5, maxDelay: 15 }, { StackName })
      break
    } catch (fault) {
      if (attempt === ATTEMPTS) throw fault
      console.error('something was not deleted, and is tried again')
    }
  }
  console.error(`${name} is gone`)
  if (kept.length > 0) console.log(`\nThis is left. To delete it, too:\n\n${kept.flatMap(deletionOf).map((line) => `  ${line}\n`).join('')}`)
}

/** What outlives the stack; and the buckets that don't, which have to be empty. */
async function contentsOf(StackName: string): Promise<{ kept: StackResourceSummary[], buckets: string[] }> {
  const { TemplateBody } = await formation.send(new GetTemplateCommand({ StackName }))
  const { Resources } = JSON.parse(TemplateBody!) as { Resources: Record<string, { DeletionPolicy?: string }> }
  const all: StackResourceSummary[] = []
  for await (const page of paginateListStackResources({ client: formation }, { StackName })) all.push(...page.StackResourceSummaries ?? [])
  const standing = all.filter(({ PhysicalResourceId, ResourceStatus }) => PhysicalResourceId !== undefined && ResourceStatus !== 'DELETE_COMPLETE')
  const isKept = ({ LogicalResourceId }: StackResourceSummary) => Resources[LogicalResourceId!]?.DeletionPolicy?.startsWith('Retain') === true
  const isBucket = ({ ResourceType }: StackResourceSummary) => ResourceType === 'AWS::S3::Bucket'
  return {
    kept: standing.filter(isKept),
    buckets: standing.filter((resource) => isBucket(resource) && !isKept(resource)).map(({ PhysicalResourceId }) => PhysicalResourceId!),
  }
}

/** With what was replaced or deleted in it. */
async function empty(Bucket: string): Promise<void> {
  for (;;) {
    // Always the first page: what was on it is gone.
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket })).catch((fault: Error) => {
      if (fault.name === 'NoSuchBucket') return {}
      throw fault
    })
    const Objects = [...Versions, ...DeleteMarkers].map(({ Key, VersionId }) => ({ Key: Key!, VersionId }))
    if (Objects.length === 0) return
    const { Errors = [] } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }))
    if (Errors.length > 0) throw new Error(`${Bucket}: ${Errors[0]!.Key}: ${Errors[0]!.Message}`)
  }
}

function deletionOf({ ResourceType, PhysicalResourceId: id }: StackResourceSummary): string[] {
  switch (ResourceType) {
    case 'AWS::DynamoDB::Table':
      return [
        `aws dynamodb update-table --no-deletion-protection-enabled --table-name ${id}`,
        `aws dynamodb delete-table --table-name ${id}`,
      ]
    case 'AWS::Kinesis::Stream': return [`aws kinesis delete-stream --stream-name ${id}`]
    case 'AWS::SecretsManager::Secret': return [`aws secretsmanager delete-secret --secret-id ${id}`]
    case 'AWS::Logs::LogGroup': return [`aws logs delete-log-group --log-group-name ${id}`]
    case 'AWS::S3::Bucket': return [`infra/remove --bucket ${id}`]
    default: return [`# ${ResourceType} ${id}`]
  }
}

async function ask(name: string, what: string): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await new Promise<string | undefined>((resolve) => {
    terminal.once('close', () => resolve(undefined))
    terminal.question(`${what.trimEnd()}\nType ${name} to go on: `, resolve)
  })
  terminal.close()
  // A terminal shows the newline that was typed.
  if (answer === undefined || !process.stdin.isTTY) console.error()
  if (answer === undefined) throw new Refusal(`nothing is deleted, because nobody typed ${name}: stdin was at its end`)
  if (answer.trim() !== name) {
    console.error('nothing is deleted')
    process.exit(1)
  }
}

await main(process.argv.slice(2)).catch((fault: unknown) => end('remove', fault))
