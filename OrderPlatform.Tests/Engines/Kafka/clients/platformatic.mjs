// Round trip with @platformatic/kafka against the broker at argv[2]: create, idempotent produce with headers, group
// consume and commit, describe and delete. Prints "ok" as its last line; any surprise is thrown.
import assert from 'node:assert/strict'
import { Admin, Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const topic = 'from-platformatic'
const groupId = 'platformatic-group'
const options = { clientId: 'platformatic', bootstrapBrokers: [process.argv[2]] }

const admin = new Admin(options)
const [created] = await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 })
assert.equal(created.name, topic)

const producer = new Producer({ ...options, serializers: stringSerializers, idempotent: true })
const messages = Array.from({ length: 100 }, (_, i) => ({ topic, key: `key-${i % 10}`, value: `value-${i}`, headers: { index: `${i}` } }))
await producer.send({ messages })
await producer.close()

const consumer = new Consumer({ ...options, groupId, deserializers: stringDeserializers })
const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
const patience = setTimeout(() => stream.destroy(new Error('100 records did not arrive in 20 s')), 20_000)
const seen = new Set()
let last
for await (const message of stream) {
  assert.equal(message.headers.get('index'), message.value.slice('value-'.length))
  seen.add(message.value)
  last = message
  if (seen.size === 100) break
}
clearTimeout(patience)
assert.deepEqual(seen, new Set(messages.map(m => m.value)))
await last.commit()
const groups = await admin.describeGroups({ groups: [groupId] })
assert.equal(groups.get(groupId).state, 'STABLE')
await consumer.close(true)

assert.ok((await admin.listGroups()).has(groupId))
await admin.deleteGroups({ groups: [groupId] })
await admin.deleteTopics({ topics: [topic] })
await admin.close()
console.log('ok')
