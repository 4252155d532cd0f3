import { test } from 'node:test'

import { Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'

import { appOf, roadOf } from './synthesized.ts'

for (const stage of ['dev', 'prod']) {
  test(`cdk-nag finds nothing in ${stage} without a reason beside it`, () => {
    const app = appOf({ stage, replayBucket: 'old-lake' })
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
    roadOf(app, [{ name: 'partner', sftpKeys: ['ssh-ed25519 AAAA'] }])
    // Throws on a finding that nobody acknowledged, and says which.
    app.synth()
  })
}
