import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'

import type { RustFunction } from '../lib/rust-function.ts'
import { CONTEXTS } from '../lib/settings.ts'
import { appOf, type Context, EVERY_CONTEXT, roadOf } from './synthesized.ts'

const CASES: [name: string, context: Context][] = [
  ['dev', { stage: 'dev' }],
  ['prod', { stage: 'prod' }],
  ['prod with every context', { stage: 'prod', ...EVERY_CONTEXT }],
]

for (const [name, context] of CASES) {
  test(`cdk-nag finds nothing in ${name} without a reason beside it`, () => {
    const { app } = checkedRoad(context)
    // Throws on a finding that nobody acknowledged, and says which.
    app.synth()
  })
}

test('the linters see every context that changes the template', () => {
  const others = ['stage', 'architecture', 'emulator']
  assert.deepEqual(Object.keys(EVERY_CONTEXT).sort(), CONTEXTS.filter((name) => !others.includes(name)).sort())
})

// A reason for one `*` is none for another, whatever else the role has.
for (const resource of ['*', 'arn:aws:s3:::somebody/*']) {
  test(`cdk-nag finds a grant on ${resource} that has no reason`, () => {
    for (const name of ['Collect', 'Commit']) {
      const { app, road } = checkedRoad({ stage: 'prod' })
      const worker = road.node.findChild(name).node.findChild('Function') as RustFunction
      worker.may(['s3:GetObject'], resource)
      assert.throws(() => app.synth(), /Validation failed/, name)
    }
  })
}

function checkedRoad(context: Context) {
  const app = appOf(context)
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  return { app, road: roadOf(app, [{ name: 'partner', sftpKeys: ['ssh-ed25519 AAAA'] }]) }
}
