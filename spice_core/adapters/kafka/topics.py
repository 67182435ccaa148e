"""The topics: what is declared, what is found, and what to do about a difference."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition

# The client does not mark what it re-exports.
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    TopicDescription,
)

from spice_core.adapters.kafka.access import KafkaAccess, Trouble
from spice_core.errors import ConfigurationError, FeedUnavailable, SpiceError

_HOUR_MS = 3_600_000
_PAUSE_SECONDS = 0.1
_MISSING = KafkaError.UNKNOWN_TOPIC_OR_PART


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The three topics. `commands` is keyed by database, `events` by aggregate, `dead_letters` by handler and database."""

    prefix: str = ""
    partitions: int = 3
    replication: int = 1
    retention_hours: int = 168

    @property
    def commands(self) -> str:
        """Commands: all of one database in one partition, in log order."""
        return f"{self.prefix}commands"

    @property
    def events(self) -> str:
        """Domain events: all of one aggregate in one partition."""
        return f"{self.prefix}events"

    @property
    def dead_letters(self) -> str:
        """What no retry helped."""
        return f"{self.prefix}dead_letters"

    @property
    def names(self) -> tuple[str, str, str]:
        """All three."""
        return self.commands, self.events, self.dead_letters

    def group(self, consumer: str) -> str:
        """Return the name of the consumer group of a handler."""
        return f"{self.prefix}spice.{consumer}"


class Topics:
    """The topics of one cluster, as an administrator sees them."""

    def __init__(self, access: KafkaAccess, plan: TopicPlan, *, timeout_seconds: float = 10.0) -> None:
        """Nothing is connected yet."""
        self._access = access
        self._plan = plan
        self._timeout = timeout_seconds
        self._trouble = Trouble()
        self._client: AdminClient | None = None

    def ensure(self, *, may_create: bool) -> str:
        """Compare what is declared with the plan; create what is missing if `may_create`. Return the ids of the topics.

        Raises:
            ConfigurationError: a topic is missing, has too few partitions, too few replicas or too short a retention.
            FeedUnavailable: (retryable) the cluster does not answer.
        """
        found = self._describe()
        missing = [name for name in self._plan.names if name not in found]
        if missing and not may_create:
            raise ConfigurationError(
                f"Kafka has no topic {', '.join(missing)}: create it with {self._plan.partitions} partitions "
                "(SPICE_KAFKA_PARTITIONS), or look at SPICE_KAFKA_TOPIC_PREFIX; only development creates topics"
            )
        if missing:
            self._create(missing)
            found = self._shown()
        for name in self._plan.names:
            self._compare(found[name])
        self._compare_retention(self._plan.names)
        return ",".join(str(found[name].topic_id) for name in self._plan.names)

    def is_empty(self) -> bool:
        """Whether a topic of commands or events was never written to. Raises `FeedUnavailable`."""
        found = self._describe()
        for name in (self._plan.commands, self._plan.events):
            parts = [TopicPartition(name, part.id) for part in found[name].partitions] if name in found else []
            asked: dict[TopicPartition, OffsetSpec] = {}
            for part in parts:
                asked[part] = OffsetSpec.latest()  # type: ignore[no-untyped-call]
            futures = self._admin().list_offsets(asked, request_timeout=self._timeout)
            ends = self._results("looking at the ends of topics", futures)
            if all(end.offset == 0 for end in ends.values()):
                return True
        return False

    def _shown(self) -> dict[str, TopicDescription]:
        """Return all topics, which were created a moment ago: brokers learn of them behind the answer to that."""
        deadline = time.monotonic() + self._timeout
        while len(found := self._describe()) < len(self._plan.names):
            if time.monotonic() >= deadline:
                raise FeedUnavailable(f"the topics were created, and Kafka does not show them within {self._timeout:.0f} s")
            time.sleep(_PAUSE_SECONDS)
        return found

    def _describe(self) -> dict[str, TopicDescription]:
        futures = self._admin().describe_topics(TopicCollection(list(self._plan.names)), request_timeout=self._timeout)
        found: dict[str, TopicDescription] = {}
        for name, future in futures.items():
            try:
                found[name] = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_EXCEPTION:
                    raise self._no_name(name) from error
                if error.args[0].code() != _MISSING:
                    raise self._explained(error, "looking at the topics") from error
        return found

    def _create(self, names: Sequence[str]) -> None:
        plan = self._plan
        config = {"retention.ms": str(plan.retention_hours * _HOUR_MS), "cleanup.policy": "delete"}
        topics = [NewTopic(name, plan.partitions, plan.replication, config=config) for name in names]
        for name, future in self._admin().create_topics(topics, request_timeout=self._timeout).items():
            try:
                future.result()
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.INVALID_REPLICATION_FACTOR:
                    raise ConfigurationError(f"SPICE_KAFKA_REPLICATION={plan.replication}: {error.args[0].str()}") from error
                if code != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._explained(error, f"creating the topic {name}") from error

    def _compare(self, topic: TopicDescription) -> None:
        plan, partitions = self._plan, len(topic.partitions)
        if partitions < plan.partitions:
            raise ConfigurationError(
                f"the topic {topic.name} has {partitions} partitions, SPICE_KAFKA_PARTITIONS asks for {plan.partitions}"
            )
        replicas = min((len(partition.replicas) for partition in topic.partitions), default=0)
        if replicas < plan.replication:
            raise ConfigurationError(
                f"the topic {topic.name} has {replicas} replicas, SPICE_KAFKA_REPLICATION asks for {plan.replication}"
            )

    def _compare_retention(self, names: Sequence[str]) -> None:
        wanted = self._plan.retention_hours * _HOUR_MS
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        asked = self._admin().describe_configs(resources, request_timeout=self._timeout)
        found = self._results("looking at the retention of topics", asked)
        for resource, entries in found.items():
            kept = int(entries["retention.ms"].value)
            if 0 <= kept < wanted:
                raise ConfigurationError(
                    f"the topic {resource.name} keeps messages for {kept / _HOUR_MS:g} hours, "
                    f"SPICE_KAFKA_RETENTION_HOURS asks for {self._plan.retention_hours}"
                )

    def _no_name(self, name: str) -> ConfigurationError:
        return ConfigurationError(f"SPICE_KAFKA_TOPIC_PREFIX={self._plan.prefix}: {name} cannot be the name of a topic")

    def _results(self, what: str, futures: Mapping[Any, Any]) -> Mapping[Any, Any]:
        try:
            return {key: future.result() for key, future in futures.items()}
        except KafkaException as error:
            raise self._explained(error, what) from error

    def _explained(self, error: KafkaException, what: str) -> SpiceError:
        """The client answers refused credentials with a time-out: the reason came by the way."""
        client = self._admin()
        client.poll(0)
        return self._access.error(self._trouble.take() or error, what)

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._access.check()
            self._client = AdminClient(self._access.config(self._trouble))
        return self._client
