"""Round trip with kafka-python against the broker at argv[1]. Prints "ok" as its last line; any surprise is raised."""
import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import TopicAlreadyExistsError

broker, topic, group = sys.argv[1], "from-python", "python-group"

admin = KafkaAdminClient(bootstrap_servers=broker)
admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])
try:
    admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])
    raise AssertionError("a topic was made twice")
except TopicAlreadyExistsError:
    pass

before = int(time.time() * 1000)
for codec, first in ((None, 0), ("gzip", 50)):
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", compression_type=codec)
    for i in range(first, first + 50):
        producer.send(topic, key=b"key-%d" % (i % 10), value=b"value-%d" % i, headers=[("index", b"%d" % i)])
    producer.flush(20)
    producer.close()

consumer = KafkaConsumer(topic, bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=20000)
seen = []
for message in consumer:
    assert dict(message.headers)["index"] == message.value[len(b"value-"):]
    seen.append(message.value)
    if len(seen) == 100:
        break
assert sorted(seen) == sorted(b"value-%d" % i for i in range(100)), len(seen)
consumer.commit()
partitions = [TopicPartition(topic, p) for p in range(3)]
assert sum(consumer.end_offsets(partitions).values()) == 100
assert sum(consumer.committed(p) or 0 for p in partitions) == 100
assert all(found.offset == 0 for found in consumer.offsets_for_times({p: before for p in partitions}).values() if found)
consumer.close()

assert (group, "consumer") in [(g[0], "consumer") for g in admin.list_consumer_groups()]
admin.delete_topics([topic])
assert topic not in admin.list_topics()
admin.close()
print("ok")
