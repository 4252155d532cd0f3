import assert from 'node:assert/strict'
import { test } from 'node:test'

import { templateOf } from './synthesized.ts'

const GET = 'dynamodb:BatchGetItem State'
const QUERY = 'dynamodb:Query State'
const PUT = 'dynamodb:UpdateItem State'
const DELETE = 'dynamodb:DeleteItem State'
const CHECK = 'dynamodb:ConditionCheckItem State'
const READ_LAKE = ['s3:GetObject Lake/*', 's3:ListBucket Lake']
const LAND = ['s3:AbortMultipartUpload Lake/*/date=*', 's3:PutObject Lake/*/date=*']
const LOG = ['s3:AbortMultipartUpload Lake/*/_delta_log/*', 's3:PutObject Lake/*/_delta_log/*']
const PUT_RECORDS = ['kinesis:PutRecords Stream']
const CONSUME_STREAM = [
  'kinesis:DescribeStream Stream',
  'kinesis:DescribeStreamSummary Stream',
  'kinesis:GetRecords Stream',
  'kinesis:GetShardIterator Stream',
  'kinesis:ListShards Stream',
]
const CONSUME_STATE = [
  'dynamodb:DescribeStream State/stream',
  'dynamodb:GetRecords State/stream',
  'dynamodb:GetShardIterator State/stream',
  'dynamodb:ListStreams *',
]
const ASK_EVENTS = [
  'athena:GetQueryExecution workgroup/cdp-prod-history',
  'athena:GetQueryResults workgroup/cdp-prod-history',
  'athena:StartQueryExecution workgroup/cdp-prod-history',
  'athena:StopQueryExecution workgroup/cdp-prod-history',
  ...['GetDatabase', 'GetPartitions', 'GetTable'].flatMap((action) => [
    `glue:${action} catalog`,
    `glue:${action} database/cdp_prod`,
    `glue:${action} table/cdp_prod/events`,
  ]),
  's3:GetBucketLocation Lake',
  's3:ListBucket Lake',
  's3:GetObject Lake/events/*',
  's3:GetBucketLocation LakeAnswers',
  's3:ListBucket LakeAnswers',
  's3:AbortMultipartUpload LakeAnswers/athena/*',
  's3:GetObject LakeAnswers/athena/*',
  's3:ListMultipartUploadParts LakeAnswers/athena/*',
  's3:PutObject LakeAnswers/athena/*',
]
const READ_SECRETS = ['secretsmanager:GetSecretValue Secrets']

const GRANTS = {
  Collect: [...PUT_RECORDS, ...READ_SECRETS],
  Ingest: [...CONSUME_STREAM, GET, QUERY, PUT, CHECK, ...LAND, 'sqs:SendMessage DeadLetters'],
  Drops: [
    GET,
    QUERY,
    PUT,
    DELETE,
    CHECK,
    ...LAND,
    's3:ListBucket Drops',
    's3:GetObject Drops/*',
    's3:GetObjectVersion Drops/*',
    's3:PutObject Drops/.reports/*',
    's3:PutObject Drops/*/.reports/*',
    'sqs:DeleteMessage DropsQueue',
    'sqs:GetQueueAttributes DropsQueue',
    'sqs:ReceiveMessage DropsQueue',
    'sqs:SendMessage DropsQueue',
  ],
  Commit: [...CONSUME_STATE, GET, QUERY, PUT, DELETE, ...READ_LAKE, ...LOG],
  Maintain: ['kinesis:ListShards Stream', GET, QUERY, PUT, DELETE, ...READ_LAKE, ...LAND, ...LOG, 's3:DeleteObject Lake/*'],
  Replay: [
    ...PUT_RECORDS,
    GET,
    PUT,
    DELETE,
    ...READ_LAKE,
    'sqs:DeleteMessage ReplayJobs',
    'sqs:GetQueueAttributes ReplayJobs',
    'sqs:ReceiveMessage ReplayJobs',
    'sqs:SendMessage DeadLetters',
    'sqs:SendMessage ReplayJobs',
  ],
  Profiles: [GET, ...ASK_EVENTS, ...READ_SECRETS],
}

const OF_EVERY_FUNCTION = (name: string) => [
  `logs:CreateLogStream ${name}Logs`,
  `logs:PutLogEvents ${name}Logs`,
  'xray:PutTelemetryRecords *',
  'xray:PutTraceSegments *',
]

const template = templateOf('prod')

for (const [name, grants] of Object.entries(GRANTS)) {
  test(`${name.toLowerCase()} may do what its work needs, and nothing else`, () => {
    assert.deepEqual(grantsOf(name), [...new Set([...grants, ...OF_EVERY_FUNCTION(name)])].sort())
  })
}

test('replay may read the lake that the context names, and no other', () => {
  const policies = (context: Record<string, string>) => JSON.stringify(templateOf('prod', context).findResources('AWS::IAM::Policy'))
  assert.ok(!policies({}).includes(':s3:::'))
  const others = policies({ replayBucket: 'old-lake' }).match(/:s3:::[^"]*/g)
  assert.deepEqual(others, [':s3:::old-lake', ':s3:::old-lake/*'])
})

test('no role has a policy of AWS', () => {
  for (const role of Object.values(template.findResources('AWS::IAM::Role'))) {
    assert.equal(role.Properties.ManagedPolicyArns, undefined)
  }
})

function grantsOf(name: string): string[] {
  const policies = Object.entries(template.findResources('AWS::IAM::Policy')).filter(([id]) => id.startsWith(`${name}Function`))
  const statements = policies.flatMap(([, policy]) => policy.Properties.PolicyDocument.Statement)
  return statements
    .flatMap((statement) => {
      assert.equal(statement.Effect, 'Allow')
      return many(statement.Action).flatMap((action) => many(statement.Resource).map((resource) => `${action} ${short(resource)}`))
    })
    .sort()
}

function many(one: unknown): unknown[] {
  return Array.isArray(one) ? one : [one]
}

/** The part of the road that a resource's logical id belongs to. */
function short(resource: any): string {
  if (typeof resource === 'string') return resource
  if (resource.Ref !== undefined) return resource.Ref
  if (resource['Fn::Join'] !== undefined) return resource['Fn::Join'][1].map(short).join('').replace(/^arn:AWS::\S+::AccountId:/, '')
  const [id, attribute] = resource['Fn::GetAtt']
  const suffix = attribute === 'StreamArn' ? '/stream' : ''
  const stretch =
    /^(DropsQueue|Drops(?=Bucket)|Stream|State|LakeAnswers|Lake|Secrets|(?:Ingest|Replay)DeadLetters|ReplayJobs|[A-Z][a-z]+Function)/.exec(id)![1]!
  return stretch.replace(/^(Ingest|Replay)Dead/, 'Dead').replace(/Function$/, 'Logs') + suffix
}
