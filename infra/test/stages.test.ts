import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'

import { TABLES, VIEWS, columnsOf, viewOf } from '../lib/layouts.ts'
import { appOf, roadOf, templateOf } from './synthesized.ts'

for (const stage of ['dev', 'prod'] as const) {
  // A change of the template is meant, or it is a mistake: UPDATE=1 says that it is meant.
  test(`the template of ${stage} is the one that was reviewed`, () => {
    const file = new URL(`snapshots/${stage}.json`, import.meta.url)
    const template = withoutHashes(templateOf(stage).toJSON())
    if (process.env.UPDATE === '1') writeFileSync(file, `${JSON.stringify(template, null, 1)}\n`)
    assert.deepEqual(template, JSON.parse(readFileSync(file, 'utf8')))
  })
}

test('a deployment of another name stands beside its stage\'s, and shares no name with it', () => {
  const ofItsStage = /"cdp[-_ ]prod"/
  assert.match(JSON.stringify(templateOf('prod').toJSON()), ofItsStage)
  assert.doesNotMatch(JSON.stringify(templateOf('prod', { name: 'prod-2' }).toJSON()), ofItsStage)
  assert.equal(roadOf(appOf({ stage: 'prod', name: 'prod-2' })).stackName, 'cdp-prod-2')
})

test('what holds data outlives a prod stack, and a dev stack takes it along', () => {
  for (const type of ['AWS::Kinesis::Stream', 'AWS::DynamoDB::Table', 'AWS::SecretsManager::Secret']) {
    for (const [stage, policy] of [['dev', 'Delete'], ['prod', 'Retain']] as const) {
      for (const resource of Object.values(templateOf(stage).findResources(type))) assert.equal(resource.DeletionPolicy, policy, type)
    }
  }
  templateOf('prod').hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain' })
  templateOf('prod').hasResourceProperties('AWS::DynamoDB::Table', { DeletionProtectionEnabled: true })
})

test('dropped files stay unless the context lets them go, and what was replaced goes', () => {
  const rulesOf = (context: Record<string, string>) => {
    const buckets = Object.entries(templateOf('prod', context).findResources('AWS::S3::Bucket'))
    return buckets.find(([id]) => id.startsWith('Drops'))![1].Properties.LifecycleConfiguration.Rules
  }
  const [always, ...others] = rulesOf({})
  assert.equal(always.NoncurrentVersionExpiration.NoncurrentDays, 30)
  assert.deepEqual([always.ExpirationInDays, others], [undefined, []])
  assert.equal(rulesOf({ dropDays: '90' })[1].ExpirationInDays, 90)
})

test('a stream has the shards of the context; prod has it on demand without any', () => {
  templateOf('prod').hasResourceProperties('AWS::Kinesis::Stream', { StreamModeDetails: { StreamMode: 'ON_DEMAND' } })
  templateOf('dev').hasResourceProperties('AWS::Kinesis::Stream', { ShardCount: 1 })
  templateOf('prod', { shards: '12' }).hasResourceProperties('AWS::Kinesis::Stream', { ShardCount: 12 })
})

test('State is paid by the request, or scaled up to the units of the context', () => {
  templateOf('prod').hasResourceProperties('AWS::DynamoDB::Table', { BillingMode: 'PAY_PER_REQUEST' })
  const scaled = templateOf('prod', { stateUnits: '2000,5000' })
  scaled.hasResourceProperties('AWS::DynamoDB::Table', {
    ProvisionedThroughput: { ReadCapacityUnits: 200, WriteCapacityUnits: 500 },
  })
  for (const [dimension, most] of [['ReadCapacityUnits', 2000], ['WriteCapacityUnits', 5000]] as const) {
    scaled.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      ScalableDimension: `dynamodb:table:${dimension}`,
      MinCapacity: most / 10,
      MaxCapacity: most,
    })
  }
})

test('a batch waits as long as the context says', () => {
  for (const [context, seconds] of [[{}, 5], [{ batchSeconds: '60' }, 60]] as const) {
    templateOf('prod', context).hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      ParallelizationFactor: 1,
      MaximumBatchingWindowInSeconds: seconds,
    })
  }
})

test('the emulator is spared what it refuses, and nothing else', () => {
  const names = (context: Record<string, string>) => Object.keys(templateOf('dev', context).toJSON().Resources)
  const all = new Set(names({}))
  const left = new Set(names({ emulator: 'true' }))
  assert.deepEqual([...left].filter((name) => !all.has(name)), [])
  const spared = [...all].filter((name) => !left.has(name)).map((name) => name.replace(/[0-9A-F]{8}$/, ''))
  assert.deepEqual(spared.sort(), [
    'DropsBucketPolicy',
    'DropsDeadLettersQueuePolicy',
    'IngestDeadLettersQueuePolicy',
    'LakeAnswersPolicy',
    'LakeTablesPolicy',
    'ReplayDeadLettersQueuePolicy',
    'ReplayJobsPolicy',
  ])
})

test('a wrong context is refused by its name', () => {
  for (const [name, value] of [['stage', 'test'], ['name', 'prod'], ['name', 'Two'], ['name', '2'], ['name', 'a'.repeat(21)], ['shards', '0'], ['shards', 'many'], ['dropDays', '0'], ['architecture', 'mips'], ['emulator', 'yes'], ['batchSeconds', '301'], ['runbookUrl', 'docs/runbook'], ['quarantineToAlarm', 'none'], ['stateUnits', '5000']]) {
    assert.throws(() => templateOf('dev', { [name!]: value! }), new RegExp(`context ${name}: .* not '${value}'`))
  }
})

test('Athena knows every table with the columns that are promised', () => {
  const tables = catalog().filter(({ TableType }) => TableType === 'EXTERNAL_TABLE')
  assert.deepEqual(tables.map(({ Name }) => Name).sort(), [...TABLES].sort())
  for (const { Name, Parameters, StorageDescriptor } of tables) {
    assert.equal(Parameters.table_type, 'DELTA')
    assert.equal(StorageDescriptor.Location['Fn::Join'][1].at(-1), `/${Name}/`)
    assert.equal(StorageDescriptor.Columns.at(-1).Name, 'date')
  }
  assert.deepEqual(columnsOf('events').slice(0, 2).map(({ name, type }) => `${name} ${type}`), ['timestamp timestamp', 'type string'])
})

test('Athena finds the views as it keeps its own, with the SQL that all engines have', () => {
  const views = catalog().filter(({ TableType }) => TableType === 'VIRTUAL_VIEW')
  assert.deepEqual(views.map(({ Name }) => Name).sort(), [...VIEWS].sort())
  const document = readFileSync(new URL('../../schemas/tables/views.md', import.meta.url), 'utf8')
  for (const { Name, Parameters, ViewOriginalText, StorageDescriptor } of views) {
    assert.equal(Parameters.presto_view, 'true')
    const [, encoded] = ViewOriginalText.match(/^\/\* Presto View: (\S+) \*\/$/)
    const view = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'))
    assert.deepEqual([view.catalog, view.schema], ['awsdatacatalog', 'cdp_prod'])
    assert.ok(document.split(`## ${Name}\n`)[1]?.includes(`\`\`\`sql\n${view.originalSql}\n\`\`\``), Name)
    const names = StorageDescriptor.Columns.map((column: { Name: string }) => column.Name)
    assert.deepEqual(view.columns.map((column: { name: string }) => column.name), names)
  }
  const columns = viewOf('people').columns.map(({ name, sqlType }) => `${name} ${sqlType}`)
  assert.deepEqual(columns.slice(0, 2), ['profile_id varchar', 'created_at timestamp(3) with time zone'])
})

function catalog() {
  return Object.values(templateOf('prod').findResources('AWS::Glue::Table')).map(({ Properties }) => Properties.TableInput)
}

function withoutHashes(template: object): object {
  return JSON.parse(JSON.stringify(template).replace(/[0-9a-f]{64}\.zip/g, 'CODE.zip'))
}
