// The official client (npm @clickhouse/client) against the embedded engine: node official-client.mjs <url>
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { createClient, ClickHouseError } from '@clickhouse/client';

const client = createClient({
  url: process.argv[2],
  compression: { request: true, response: true },
  clickhouse_settings: { date_time_output_format: 'iso' },
});

assert.equal((await client.ping()).success, true);

await client.command({ query: 'CREATE TABLE npm (n UInt64, s String) ENGINE = MergeTree ORDER BY n' });
const hostile = '\n\n; DROP TABLE npm; -- \' " \\ ü';
const inserted = await client.insert({ table: 'npm', values: [{ n: 1, s: 'a' }, { n: 2, s: hostile }], format: 'JSONEachRow' });
assert.equal(inserted.executed, true);
assert.equal(inserted.summary.written_rows, '2');
await client.insert({ table: 'npm', values: Readable.from((function* () { for (let n = 3; n <= 50_000; n++) yield { n, s: `${n}` }; })()), format: 'JSONEachRow' });

const rows = await client.query({ query: 'SELECT s FROM npm WHERE s = {s:String}', query_params: { s: hostile }, format: 'JSONEachRow' });
assert.deepEqual(await rows.json(), [{ s: hostile }]);
const parameters = { a: ["it's", '\t\\'], d: new Date('2026-01-02T03:04:05.678Z'), m: { k: "v'" }, z: null };
const typed = await client.query({ query: "SELECT {a:Array(String)} AS a, {m:Map(String, String)} AS m, {z:Nullable(String)} AS z, toUnixTimestamp64Milli({d:DateTime64(3, 'UTC')}) AS d", query_params: parameters, format: 'JSONEachRow' });
assert.deepEqual(await typed.json(), [{ a: parameters.a, m: parameters.m, z: null, d: parameters.d.getTime() }]);

let count = 0;
const stream = (await client.query({ query: 'SELECT * FROM npm ORDER BY n', format: 'JSONCompactEachRow' })).stream();
for await (const batch of stream) count += batch.length;
assert.equal(count, 50_000);

const json = await (await client.query({ query: 'SELECT count() AS c FROM npm', format: 'JSON' })).json();
assert.equal(Number(json.data[0].c), 50_000);

const raw = await client.exec({ query: 'SELECT 1 FORMAT CSV' });
let text = '';
for await (const piece of raw.stream) text += piece;
assert.equal(text, '1\n');

await assert.rejects(client.query({ query: 'SELECT * FROM nowhere' }), e => e instanceof ClickHouseError && e.code === '60' && e.type === 'UNKNOWN_TABLE');
await assert.rejects(client.query({ query: 'SELECT 1', clickhouse_settings: { no_such: 1 } }), e => e.code === '115');
// an error in mid-stream: its text where nothing stands between the client and the stream, an error in any case
const readLate = async (by) => {
  const late = await by.query({ query: "SELECT throwIf(number = 4000000, 'boom') FROM numbers(5000000)", format: 'JSONEachRow' });
  for await (const _ of late.stream()) { /* to the end */ }
};
const plain = createClient({ url: process.argv[2] });
await assert.rejects(readLate(plain), /boom/);
await assert.rejects(readLate(client));
await plain.close();

const abort = new AbortController();
const endless = client.query({ query: 'SELECT count() FROM numbers(1e13) WHERE NOT ignore(number)', abort_signal: abort.signal });
setTimeout(() => abort.abort(), 100);
await assert.rejects(endless, /abort/i);

await client.close();
console.log('the official client is content');
