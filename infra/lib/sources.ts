/** The drop sources of the deployment, from the `cdp.toml` that is packed beside each function. `cdp check` and the functions check it. */
import { existsSync, readFileSync } from 'node:fs'

import { Refusal } from './refusal.ts'
import { parsed } from './toml.ts'

export interface DropSource {
  readonly name: string
  /** Public keys that may send by SFTP. */
  readonly sftpKeys: readonly string[]
}

export function readDropSources(settings: string): DropSource[] {
  if (!existsSync(settings)) return []
  const { drops = {} } = parsed('cdp.toml', readFileSync(settings, 'utf8')) as { drops?: Record<string, { sftp_keys?: unknown }> }
  return Object.entries(drops).map(([name, { sftp_keys: keys = [] }]) => {
    if (!isTexts(keys)) throw new Refusal(`cdp.toml: drops.${name}.sftp_keys: a list of public keys, each a text`)
    return { name, sftpKeys: keys }
  })
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}
