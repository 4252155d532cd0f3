/** The stack as a deployment would have it, from functions that are empty. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'

import { Road } from '../lib/road.ts'
import { readSettings, type Stage } from '../lib/settings.ts'
import type { DropSource } from '../lib/sources.ts'

export type Context = Record<string, string>

/** Each context that adds something to the template, or takes the place of a default in it. `infra/check` has the linters see it. */
export const EVERY_CONTEXT = read('every-context.json')

const FLAGS = read('../cdk.json').context

export function appOf(context: Context): App {
  return new App({ context: { ...FLAGS, architecture: 'arm64', ...context }, analyticsReporting: false })
}

export function roadOf(app: App, dropSources: DropSource[] = []): Road {
  const settings = readSettings(app.node)
  return new Road(app, `cdp-${settings.name}`, { settings, functions: FUNCTIONS, dropSources })
}

export function templateOf(stage: Stage, context: Context = {}, dropSources: DropSource[] = []): Template {
  return Template.fromStack(roadOf(appOf({ stage, ...context }), dropSources))
}

/** A new folder, which is gone when the tests have ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cdp-infra-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const FUNCTIONS = emptyFunctions()

function emptyFunctions(): string {
  const folder = temporaryFolder()
  for (const name of ['collect', 'ingest', 'drops', 'commit', 'maintain', 'replay', 'profiles']) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'bootstrap'), name)
  }
  return folder
}

function read(file: string) {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'))
}
