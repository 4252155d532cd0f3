/** The drop sources of the deployment, from the `cdp.toml` that is packed beside each function. The functions check it. */
import { existsSync, readFileSync } from 'node:fs'

import { parse } from 'smol-toml'

export interface DropSource {
  readonly name: string
  /** Public keys that may send by SFTP. */
  readonly sftpKeys: readonly string[]
}

export function readDropSources(settings: string): DropSource[] {
  if (!existsSync(settings)) return []
  const { drops = {} } = parse(readFileSync(settings, 'utf8')) as { drops?: Record<string, { sftp_keys?: string[] }> }
  return Object.entries(drops).map(([name, { sftp_keys: sftpKeys = [] }]) => ({ name, sftpKeys }))
}
