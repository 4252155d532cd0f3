/** The files that a person edits. */
import { parse, TomlError } from 'smol-toml'

import { Refusal } from './refusal.ts'

/** `name`: of the file, for whoever has to mend it. */
export function parsed(name: string, text: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (fault) {
    if (!(fault instanceof TomlError)) throw fault
    // What follows its first line is a drawing of the place.
    const [first] = fault.message.split('\n')
    throw new Refusal(`${name}, line ${fault.line}: ${first!.replace('Invalid TOML document: ', '')}`)
  }
}
