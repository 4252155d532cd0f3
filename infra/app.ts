import { Annotations, App, CliCredentialsStackSynthesizer } from 'aws-cdk-lib'

import { adviceOn } from './lib/advice.ts'
import { end, Refusal } from './lib/refusal.ts'
import { Road } from './lib/road.ts'
import { readSettings } from './lib/settings.ts'
import { readDropSources } from './lib/sources.ts'

const app = new App()

const functions: string = app.node.tryGetContext('functions') ?? `${import.meta.dirname}/.build`
const configuration = `${functions}/drops/cdp.toml`
const { settings, dropSources } = read()

const road = new Road(app, `cdp-${settings.name}`, {
  settings,
  functions,
  dropSources,
  // The emulator has no TLS here, so the roles of `cdk bootstrap` can't reach their own bucket, which insists on it.
  ...(settings.emulator && { synthesizer: new CliCredentialsStackSynthesizer() }),
  // Of the shell's profile. Without one the stack fits any account and region.
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
})
adviceOn(settings, configuration).forEach((advice, at) => Annotations.of(road).addWarningV2(`cdp:advice-${at}`, advice))

function read() {
  try {
    return { settings: readSettings(app.node), dropSources: readDropSources(configuration) }
  } catch (fault) {
    if (fault instanceof Refusal) end('infra', fault)
    throw fault
  }
}
