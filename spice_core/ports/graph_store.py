"""The governed graph: typed nodes and links with branches, commits, history and diffs."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from spice_core.domain.graph import Branch, Commit, Difference, Direction, GraphBatch, Hop, Link, Node, NodePage, Reached
from spice_core.domain.queries import Filter, Sort


class GraphView(ABC):
    """One database at one commit. What it reads never changes, whatever is committed meanwhile.

    A store that cannot be reached raises `GraphUnavailable`, never an empty answer.
    """

    @property
    @abstractmethod
    def commit(self) -> Commit:
        """The commit this view is pinned to."""

    @abstractmethod
    def get(self, keys: Collection[str]) -> Mapping[str, Node]:
        """Return the nodes that exist among `keys` (any number, in one round trip); the caller owns them."""

    @abstractmethod
    def page(
        self,
        class_ids: Collection[str],
        *,
        filters: Sequence[Filter] = (),
        sort: Sort | None = None,
        after: str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> NodePage:
        """Return up to `limit` nodes of `class_ids` that meet all `filters`.

        The order is total: by `sort`, then by key (codepoint order); without `sort` by key. `after` is a `next_after` of
        the same query; following it visits every node exactly once. `offset` skips nodes after that.

        Raises:
            InvalidQuery: `after` is not from this query.
        """

    @abstractmethod
    def count(self, class_ids: Collection[str], *, filters: Sequence[Filter] = ()) -> int:
        """Return how many nodes of `class_ids` meet all `filters`, exactly."""

    @abstractmethod
    def expand(
        self,
        keys: Collection[str],
        *,
        predicate: str | None,
        direction: Direction,
        target_classes: Collection[str] = (),
        filters: Sequence[Filter] = (),
        limit: int | None = None,
    ) -> Sequence[Link]:
        """Return the links that leave (OUT) or reach (IN) `keys`: one hop for a whole frontier.

        `predicate` None follows every predicate. `target_classes` (empty: any) and `filters` apply to the node at the
        far end, which must exist. Links come in the order (near key, predicate, far key); `limit` cuts that order, so a
        caller that asks for one more than it wants knows whether there was more.
        """

    @abstractmethod
    def reach(self, keys: Collection[str], hops: Sequence[Hop], *, limit: int | None = None) -> Sequence[Reached]:
        """Return the nodes that are reached from `keys` by taking `hops` one after the other, without the links between.

        A node is reached once, at its least depth (1 after the first hop), and the next hop goes on from there; the nodes
        of `keys` are never reached, so that circles end. They come by depth, then key; `limit` cuts that order.
        """


class GraphStore(ABC):
    """Databases of versioned nodes, written in batches by one writer per database.

    A batch is committed whole or not at all, and is durable and visible before `apply` returns. Each database remembers
    how far in the log it is: a batch at or behind that position is a repetition and changes nothing. A ref is a branch
    name, a commit id (a unique prefix of at least 8 characters will do), or either followed by `~n` for the n-th first
    parent; `HEAD` is main. After `close`, every method but `close` raises `Closed`; a store that cannot be reached raises
    `GraphUnavailable`.
    """

    @abstractmethod
    def create_database(self, database: str, *, author: str, message: str, at: datetime, position: int) -> Commit:
        """Create `database` with branch `main` and one empty first commit; repeating the same position returns that commit.

        A database that was dropped may be created again: nothing of the old one is seen.

        Raises:
            AlreadyExists: it exists and was created at another position.
            Conflict: `position` is not above the applied position but is no repetition.
        """

    @abstractmethod
    def drop_database(self, database: str, *, position: int) -> None:
        """Remove `database` with all branches and commits; the position is still remembered. Absent: nothing happens."""

    @abstractmethod
    def forget(self, database: str) -> None:
        """Remove `database` as if it had never been seen, position included, so that it can be made again from its log.

        Absent: nothing happens.
        """

    @abstractmethod
    def databases(self) -> list[str]:
        """Return the names of the databases that exist, in order."""

    @abstractmethod
    def applied_position(self, database: str) -> int:
        """Return the log position up to which effects are in the store, also after a drop; 0 if never seen."""

    @abstractmethod
    def apply(self, database: str, batch: GraphBatch) -> Commit:
        """Commit `batch` on its branch and advance the applied position to `batch.last_position`.

        A repetition (a commit of this very range exists) returns that commit. Values are copied.

        Raises:
            DatabaseNotFound, BranchNotFound: there is nothing to write on.
            Conflict: the batch starts behind the applied position but is no repetition.
        """

    @abstractmethod
    def create_branch(self, database: str, name: str, *, source: str, at: datetime, position: int) -> Branch:
        """Create branch `name` at the commit that `source` resolves to; the cost does not depend on the data's size.

        A deleted name may be used again: nothing of the old branch is seen. Repeating the same position returns the branch.

        Raises:
            DatabaseNotFound, BranchNotFound, CommitNotFound: there is no such source.
            AlreadyExists: the name is taken.
            Conflict: `position` is not above the applied position but is no repetition.
        """

    @abstractmethod
    def delete_branch(self, database: str, name: str, *, position: int) -> None:
        """Delete branch `name`; its commits stay readable by id while another branch needs them.

        Raises:
            BranchNotFound: there is no such branch (not on a repetition of the same position).
            Conflict: it is main, or `position` is not above the applied position but is no repetition.
        """

    @abstractmethod
    def branches(self, database: str) -> list[Branch]:
        """Return the branches, main first, then by name. Raises `DatabaseNotFound`."""

    @abstractmethod
    def view(self, database: str, ref: str = "main") -> GraphView:
        """Pin `ref` and return a view of it.

        Raises:
            DatabaseNotFound, BranchNotFound, CommitNotFound: there is nothing of that name.
        """

    @abstractmethod
    def commit_covering(self, database: str, position: int) -> Commit | None:
        """Return the commit whose range of log positions holds `position`, None where no commit does."""

    @abstractmethod
    def history(self, database: str, ref: str = "main", *, limit: int = 100) -> list[Commit]:
        """Return up to `limit` commits from `ref` back along first parents, newest first. Raises as `view`."""

    @abstractmethod
    def diff(self, database: str, from_ref: str, to_ref: str, *, after: str = "", limit: int = 1000) -> list[Difference]:
        """Return up to `limit` keys after `after`, in key order, whose nodes differ between the two refs.

        Nodes differ if their documents differ. The cost follows what changed since the common ancestor. Raises as `view`.
        """

    @abstractmethod
    def common_ancestor(self, database: str, left: str, right: str) -> Commit | None:
        """Return the newest commit that both refs descend from. Raises as `view`."""

    @abstractmethod
    def close(self) -> None:
        """Release everything; closing again does nothing."""
