import assert from 'node:assert/strict'
import { test } from 'node:test'

import { templateOf } from './synthesized.ts'

const KEY = 'arn:aws:kms:eu-west-1:111122223333:key/one'
const OTHER = 'arn:aws:kms:eu-west-1:111122223333:key/other'
const sources = [{ name: 'partner', sftpKeys: ['ssh-ed25519 AAAA'] }]
const template = templateOf('prod', { keyArn: KEY }, sources)

/** Each type of store that there is, and the key of one. */
const KEYS: Record<string, (store: any) => unknown> = {
  'AWS::S3::Bucket': ({ BucketEncryption }) => BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.KMSMasterKeyID,
  'AWS::Kinesis::Stream': ({ StreamEncryption }) => StreamEncryption.KeyId,
  'AWS::DynamoDB::Table': ({ SSESpecification }) => SSESpecification.KMSMasterKeyId,
  'AWS::SecretsManager::Secret': ({ KmsKeyId }) => KmsKeyId,
  'AWS::SQS::Queue': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::Logs::LogGroup': ({ KmsKeyId }) => KmsKeyId,
  'AWS::Athena::WorkGroup': ({ WorkGroupConfiguration }) => WorkGroupConfiguration.ResultConfiguration.EncryptionConfiguration.KmsKey,
}

for (const [type, keyOf] of Object.entries(KEYS)) {
  test(`a customer's key encrypts each ${type}`, () => {
    const stores = Object.entries(template.findResources(type))
    assert.ok(stores.length > 0)
    for (const [id, { Properties }] of stores) assert.equal(keyOf(Properties), KEY, id)
  })
}

test('the stream and dropped files may have keys of their own beside it', () => {
  const { Resources } = templateOf('prod', { keyArn: KEY, streamKeyArn: OTHER, dropKeyArn: OTHER }).toJSON()
  const keys = Object.entries(Resources).flatMap(([id, { Type, Properties }]: any) => (KEYS[Type] === undefined ? [] : [[id, KEYS[Type](Properties)]]))
  const ofOthers = keys.filter(([, key]) => key === OTHER).map(([id]) => id.replace(/[0-9A-F]{8}$/, ''))
  assert.deepEqual(ofOthers.sort(), ['DropsBucket', 'StreamEvents'])
  assert.ok(keys.every(([, key]) => key === KEY || key === OTHER))
})

test('a function may use the key for what it reads and writes, and for nothing else', () => {
  const used: Record<string, string[]> = {}
  for (const [id, { Properties }] of Object.entries(template.findResources('AWS::IAM::Policy'))) {
    const statements = Properties.PolicyDocument.Statement.filter(({ Resource }: any) => Resource === KEY)
    const actions = statements.flatMap(({ Action }: any) => Action)
    if (actions.length > 0) used[/^[A-Z][a-z]+/.exec(id)![0]] = actions
  }
  assert.deepEqual(used, {
    // Appends to the stream, and reads the secret.
    Collect: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Ingest: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Drops: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Commit: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Maintain: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Replay: ['kms:Decrypt', 'kms:GenerateDataKey'],
    // Reads State, the secret and the lake; Athena writes answers for it.
    Profiles: ['kms:Decrypt', 'kms:GenerateDataKey'],
    // A user's folder of dropped files.
    Sftp: ['kms:Decrypt', 'kms:GenerateDataKey'],
  })
})

test('a customer\'s key for the stream alone is used by whoever puts records and whoever reads them', () => {
  const policies = JSON.stringify(templateOf('prod', { streamKeyArn: KEY }).findResources('AWS::IAM::Policy'))
  assert.equal(policies.match(/"kms:GenerateDataKey"/g)?.length, 2)
  assert.equal(policies.match(/"kms:Decrypt"/g)?.length, 1)
})

test('a customer\'s key for dropped files alone is used by drops', () => {
  const policies = JSON.stringify(templateOf('prod', { dropKeyArn: KEY }).findResources('AWS::IAM::Policy'))
  assert.equal(policies.match(/"kms:Decrypt"/g)?.length, 1)
})

test('without a key, each store is encrypted by one that AWS has', () => {
  const resources = JSON.stringify(templateOf('prod', {}, sources).toJSON().Resources)
  assert.ok(!resources.includes('kms:Decrypt') && !resources.includes(':key/'))
})
