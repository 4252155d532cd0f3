import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { Match } from 'aws-cdk-lib/assertions'

import { readDropSources } from '../lib/sources.ts'
import { templateOf, temporaryFolder } from './synthesized.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ one'
const sources = [{ name: 'partner', sftpKeys: [KEY] }, { name: 'loyalty', sftpKeys: [] }]

test('sources are those of cdp.toml', () => {
  const file = join(temporaryFolder(), 'cdp.toml')
  writeFileSync(file, `[drops.partner]\nsftp_keys = ["${KEY}"]\n[drops.loyalty]\n[drops.loyalty.mapping]\nuser_id = "card"\n`)
  assert.deepEqual(readDropSources(file), sources)
  writeFileSync(file, '[stream]\nname = "events"\n')
  assert.deepEqual(readDropSources(file), [])
})

test('without a key there is no server, and nothing to pay', () => {
  templateOf('prod').resourceCountIs('AWS::Transfer::Server', 0)
  templateOf('prod', {}, sources).resourceCountIs('AWS::Transfer::Server', 1)
})

test('the user of a source sees its folder, and nothing beside it', () => {
  const template = templateOf('prod', {}, sources)
  const users = Object.values(template.findResources('AWS::Transfer::User'))
  assert.equal(users.length, 1)
  const bucket = Match.stringLikeRegexp('^DropsBucket')
  template.hasResourceProperties('AWS::Transfer::User', {
    UserName: 'partner',
    SshPublicKeys: [KEY],
    HomeDirectoryType: 'LOGICAL',
    HomeDirectoryMappings: [{ Entry: '/', Target: { 'Fn::Join': ['', ['/', { Ref: bucket }, '/partner']] } }],
  })
  const policies = Object.entries(template.findResources('AWS::IAM::Policy')).filter(([id]) => id.startsWith('SftpRole'))
  assert.equal(policies.length, 1)
  const arn = { 'Fn::GetAtt': [bucket, 'Arn'] }
  template.hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: [
        { Action: 's3:ListBucket', Effect: 'Allow', Resource: arn, Condition: { StringLike: { 's3:prefix': ['partner', 'partner/*'] } } },
        { Action: 's3:GetBucketLocation', Effect: 'Allow', Resource: arn },
        {
          Action: ['s3:DeleteObject', 's3:GetObject', 's3:PutObject'],
          Effect: 'Allow',
          Resource: { 'Fn::Join': ['', [arn, '/partner/*']] },
        },
      ],
    },
  })
})
