"""Executing a block: in order, each transaction all or none, the same result for everybody."""

from __future__ import annotations

from ledger.admission import check_authority
from ledger.encoding import encode_trusted
from ledger.events import AccountTouched, RecordAppended, StreamTouched
from ledger.execution import APPLIED, Execution, execute
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.refusals import Code
from ledger.rows.accounts import account_key
from ledger.rows.streams import LatestRecord, Stream, latest_key, stream_key
from ledger.state import State
from ledger.transaction import Transaction
from tests.unit.ledger.members import CHAIN, account, body, context, key_of, note, rows, sent, signed, state

HEIGHT = 5
TIME_MS = 1_800_000_000_500


def run(*transactions: Transaction, over: State | None = None) -> Execution:
    return execute(over or state(), chain=CHAIN, height=HEIGHT, time_ms=TIME_MS, transactions=transactions)


def test_an_empty_block_does_nothing() -> None:
    assert run() == Execution((), {}, ())


def test_governance_costs_a_block_that_has_none_one_row_to_read() -> None:
    view = rows()
    run(over=State(view))
    assert view.reads == [b"governance"]
    view.reads.clear()
    run(*(sent([note()], nonce=nonce) for nonce in range(20)), over=State(view))
    assert sorted(view.reads) == [b"governance", b"stream/invoices"]


def test_a_block_is_executed_in_order() -> None:
    create = sent([StreamCreate("acme", "news")], nonce=1)
    append = sent([note(stream="news")], nonce=2)
    assert run(create, append).results == (APPLIED, APPLIED)
    assert run(append, create).results == (Code.STREAM_UNKNOWN, APPLIED)


def test_operations_see_those_before_them_in_the_same_transaction() -> None:
    execution = run(
        sent(
            [
                AccountAdd("acme", "bob.acme", (key_of("bob").public_key,), 1),
                StreamCreate("acme", "news", ("acme", "bob.acme")),
                note(stream="news"),
                note(stream="news"),
            ]
        )
    )
    assert execution.results == (APPLIED,)
    assert execution.events == (
        AccountTouched("bob.acme", 0, 0),
        StreamTouched("news", 0, 1),
        RecordAppended("news", 1, None, 0, 2),
        RecordAppended("news", 2, None, 0, 3),
    )
    assert execution.writes == {
        account_key("bob.acme"): encode_trusted(account("bob.acme", "bob").to_json()),
        stream_key("news"): encode_trusted(Stream("news", "acme", frozenset({"acme", "bob.acme"}), 2).to_json()),
    }


def test_a_transaction_is_all_or_none() -> None:
    before = sent([note()], nonce=1)
    broken = sent(
        [
            note(),
            RecordAppend("acme", "invoices", Content(1), key="k"),
            StreamCreate("acme", "news"),
            StreamCreate("acme", "news"),
            note(),
        ],
        nonce=2,
    )
    after = sent([note()], nonce=3)
    execution = run(before, broken, after)
    assert execution.results == (APPLIED, Code.STREAM_EXISTS, APPLIED)
    assert execution.events == (
        RecordAppended("invoices", 1, None, 0, 0),
        RecordAppended("invoices", 2, None, 2, 0),
    )
    assert execution.writes == run(before, after).writes, "as if it had not been"


def test_results_name_the_code_of_the_first_refused_operation() -> None:
    transaction = sent([note(), note(stream="nowhere"), note(stream="archive")])
    assert run(transaction).results == ("stream_unknown",)
    assert run(transaction).writes == {}


def test_the_newest_record_of_a_key_is_bound_to_its_place() -> None:
    first = sent([note(), RecordAppend("acme", "invoices", Content(1), key="INV-1")], nonce=1)
    second = sent([RecordAppend("acme", "invoices", Content(2), key="INV-1", expected_revision=2)], nonce=2)
    execution = run(first, second)
    assert execution.results == (APPLIED, APPLIED)
    assert execution.events[-1] == RecordAppended("invoices", 3, "INV-1", 1, 0)
    row = LatestRecord("invoices", "INV-1", 3, HEIGHT, second.id, 0)
    assert execution.writes[latest_key("invoices", "INV-1")] == encode_trusted(row.to_json())
    third = sent([RecordAppend("acme", "invoices", Content(3), key="INV-1", expected_revision=3)], nonce=3)
    next_state = State(rows().after(execution.writes))
    assert run(third, over=next_state).results == (APPLIED,)


def test_a_cosigner_acts_in_the_senders_transaction() -> None:
    transaction = signed(body("globex", (note("board"), note("board")), cosigners=("board",)), "globex", "b1", "b3")
    assert check_authority(transaction, state(), context()) is None
    assert run(transaction).results == (APPLIED,)


def test_a_change_of_keys_acts_from_the_next_block() -> None:
    change = sent([AccountKeys("acme", (key_of("new").public_key,), 1)], nonce=1)
    with_old = signed(body(nonce=2), "acme")
    with_new = signed(body(nonce=3), "new")
    parent = state()
    assert check_authority(change, parent, context()) is None
    assert check_authority(with_old, parent, context()) is None, "in the same block, the old key"
    refusal = check_authority(with_new, parent, context())
    assert refusal is not None
    assert refusal.code is Code.SIGNATURE_SURPLUS
    execution = run(change, with_old, over=parent)
    assert execution.results == (APPLIED, APPLIED)
    assert check_authority(with_old, parent, context()) is None, "the parent's state stays what it is"

    child = State(rows().after(execution.writes))
    assert check_authority(with_new, child, context()) is None
    refusal = check_authority(with_old, child, context())
    assert refusal is not None
    assert refusal.code is Code.SIGNATURE_SURPLUS


def test_a_new_account_sends_from_the_next_block() -> None:
    add = sent([AccountAdd("acme", "bob", (key_of("bob").public_key,), 1)], nonce=1)
    of_bob = signed(body("bob", (StreamCreate("bob", "diary"),)), "bob")
    refusal = check_authority(of_bob, state(), context())
    assert refusal is not None
    assert refusal.code is Code.SENDER_UNKNOWN
    child = State(rows().after(run(add).writes))
    assert check_authority(of_bob, child, context()) is None
    assert run(of_bob, over=child).results == (APPLIED,)


def test_executing_again_gives_the_same() -> None:
    transactions = [sent([RecordAppend("acme", "invoices", Content(n), key=f"k{n % 3}")], nonce=n) for n in range(20)]
    assert run(*transactions) == run(*transactions)
