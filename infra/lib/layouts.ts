/** The tables' and views' columns as `schemas/tables/` promises them: there is one list of them, and it is read here. */
import { readFileSync } from 'node:fs'

export const TABLES = ['events', 'quarantine', 'identity', 'profiles'] as const
export type TableName = (typeof TABLES)[number]

export const VIEWS = ['canonical', 'people'] as const
export type ViewName = (typeof VIEWS)[number]

export interface Column {
  readonly name: string
  /** As Glue names it. */
  readonly type: string
  /** As Athena's SQL names it. */
  readonly sqlType: string
  readonly comment: string
}

export interface View {
  readonly sql: string
  readonly columns: Column[]
}

/** Delta's name of a type, Glue's, and Athena's. What Athena reads as a plain timestamp becomes one with a zone by itself. */
const TYPES: Record<string, [glue: string, sql: string]> = {
  string: ['string', 'varchar'],
  timestamp: ['timestamp', 'timestamp(3) with time zone'],
  date: ['date', 'date'],
  int: ['int', 'integer'],
  long: ['bigint', 'bigint'],
  double: ['double', 'double'],
  binary: ['binary', 'varbinary'],
}

/** What Glue takes in a column's comment. */
const COMMENT_CHARS = 255

export function columnsOf(table: TableName): Column[] {
  return columnsIn(pageOf(table), `schemas/tables/${table}.md`)
}

export function viewOf(view: ViewName): View {
  const where = `schemas/tables/views.md, ${view}`
  const section = pageOf('views').split(/^## /m).find((section) => section.startsWith(`${view}\n`))
  const sql = section?.match(/^```sql\n(.+?)^```/ms)?.[1]
  if (section === undefined || sql === undefined) throw new Error(`${where}: there is no such section, or no SQL in it`)
  return { sql: sql.trim(), columns: columnsIn(section, where) }
}

function pageOf(name: string): string {
  return readFileSync(new URL(`../../schemas/tables/${name}.md`, import.meta.url), 'utf8')
}

function columnsIn(page: string, where: string): Column[] {
  const rows = [...page.matchAll(/^\| `([a-z_0-9]+)` \| (\w+) \| (?:yes|no) \| (.+) \|$/gm)]
  if (rows.length === 0) throw new Error(`${where} has no rows of columns`)
  return rows.map(([, name, delta, meaning]) => {
    const types = TYPES[delta!]
    if (types === undefined) throw new Error(`${where}: ${name} has the type ${delta}, which Glue has no name for here`)
    const [type, sqlType] = types
    return { name: name!, type, sqlType, comment: plain(meaning!).slice(0, COMMENT_CHARS) }
  })
}

function plain(markdown: string): string {
  return markdown.replace(/\[(.+?)\]\(.+?\)/g, '$1').replaceAll('`', '')
}
