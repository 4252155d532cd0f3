/** The tables' columns as `schemas/tables/` promises them: there is one list of them, and it is read here. */
import { readFileSync } from 'node:fs'

export const TABLES = ['events', 'quarantine', 'identity', 'profiles'] as const
export type TableName = (typeof TABLES)[number]

export interface Column {
  readonly name: string
  readonly type: string
  readonly comment: string
}

/** Delta's name of a type, and Glue's. */
const GLUE_TYPES: Record<string, string> = {
  string: 'string',
  timestamp: 'timestamp',
  date: 'date',
  int: 'int',
  long: 'bigint',
  double: 'double',
  binary: 'binary',
}

/** What Glue takes in a column's comment. */
const COMMENT_CHARS = 255

export function columnsOf(table: TableName): Column[] {
  const page = readFileSync(new URL(`../../schemas/tables/${table}.md`, import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([a-z_0-9]+)` \| (\w+) \| (?:yes|no) \| (.+) \|$/gm)]
  if (rows.length === 0) throw new Error(`schemas/tables/${table}.md has no rows of columns`)
  return rows.map(([, name, delta, meaning]) => {
    const type = GLUE_TYPES[delta!]
    if (type === undefined) throw new Error(`schemas/tables/${table}.md: ${name} has the type ${delta}, which Glue has no name for here`)
    return { name: name!, type, comment: plain(meaning!).slice(0, COMMENT_CHARS) }
  })
}

function plain(markdown: string): string {
  return markdown.replace(/\[(.+?)\]\(.+?\)/g, '$1').replaceAll('`', '')
}
