"""Follows the public feed of a cell from where it stopped, and checks that no event is missing or told twice.

Needs Python 3.9 and nats-py 2.11:  python3 consume_events.py nats://127.0.0.1:4222 north place.txt [how many]
"""

import asyncio
import json
import pathlib
import sys

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy


async def follow(url: str, cell: str, place: pathlib.Path, most: int) -> None:
    """Prints a line an event. `place` keeps the number of the last event that was handled."""
    last = int(place.read_text()) if place.exists() else 0
    connection = await nats.connect(url)  # with accounts: user=..., password=..., tls=...
    stream = connection.jetstream()  # and prefix="EVENTS.API", as the user `events` has it
    events = await begin(stream, cell, last)
    handled = 0
    while handled < most:
        try:
            messages = await events.fetch(100, timeout=1)
        except nats.errors.TimeoutError:
            continue  # nothing new
        for message in messages:
            number = message.metadata.sequence.stream
            if number <= last:
                continue  # delivered once more
            if number != last + 1 and last > 0:
                sys.exit(f"a gap: event {number} follows {last}")
            event = json.loads(message.data)
            print(number, event["id"], event["type"], event.get("subject", "-"), flush=True)
            last, handled = number, handled + 1
            # Only what is handled is noted: after a crash the rest comes again.
            place.write_text(str(last))
            if handled >= most:
                break
    await connection.close()


async def begin(stream, cell: str, last: int):
    """A consumer behind the last event that was handled."""
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=last + 1,
        ack_policy=AckPolicy.NONE,
    )
    name = f"WINDLASS_{cell}_EVENTS"
    return await stream.pull_subscribe(f"windlass.{cell}.events.>", stream=name, config=config)


if __name__ == "__main__":
    most = int(sys.argv[4]) if len(sys.argv) > 4 else sys.maxsize
    asyncio.run(follow(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), most))
