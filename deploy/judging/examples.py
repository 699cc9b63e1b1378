"""What the judge learns from: messages that this project wrote, and rows of others whose licence lets weights ship."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.verdicts import Category

SEED = Path(__file__).parents[2] / "pipelines/judges/seed"

_DIALOGUE_WEIGHT, _SUPPORT_WEIGHT = 0.5, 0.3
"""How much a row of others counts beside one of the seed: it is of one kind of place only."""

_SUPPORT_ROWS = 400
_TURNS = 4


@dataclass(frozen=True, slots=True)
class Example:
    """A text with the category that a person gave it; ``group`` is the place it comes from, left out as a whole."""

    text: str
    category: Category
    group: str
    language: str
    weight: float = 1.0


def seeds(folder: Path = SEED) -> list[Example]:
    """Read the messages of the seed, in the order of files and lines."""
    return [
        Example(row["text"], Category(row["category"]), row["source"].removeprefix("seed-"), path.name[:2])
        for path in sorted(folder.glob("*.jsonl"))
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]


def shipped(folder: Path) -> list[Example]:
    """Read the rows of others: wishes in chats (FRMiner, MIT), questions to a bank (banking77, CC-BY-4.0)."""
    return [*_dialogues(folder), *_support(folder)]


def _dialogues(folder: Path) -> Iterator[Example]:
    for path in sorted(folder.glob("frminer_*_feature.jsonl")):
        for dialogue in _documents(path.read_text(encoding="utf-8")):
            turns = dialogue["comments"]
            said = [turn["body"] for turn in turns if turn["user"] == turns[0]["user"]]
            text = "\n".join(said[:_TURNS])
            yield Example(text, Category.FEATURE, "frminer", "en", _DIALOGUE_WEIGHT)


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """Read JSON documents that stand behind each other, over several lines each."""
    decoder, place = json.JSONDecoder(), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        found, place = decoder.raw_decode(text, place)
        yield from found if isinstance(found, list) else [found]


_FAULTS = frozenset(
    {
        "Refund_not_showing_up",
        "balance_not_updated_after_bank_transfer",
        "balance_not_updated_after_cheque_or_cash_deposit",
        "beneficiary_not_allowed",
        "card_not_working",
        "card_payment_not_recognised",
        "card_payment_wrong_exchange_rate",
        "card_swallowed",
        "cash_withdrawal_not_recognised",
        "contactless_not_working",
        "declined_card_payment",
        "declined_cash_withdrawal",
        "declined_transfer",
        "direct_debit_payment_not_recognised",
        "extra_charge_on_statement",
        "failed_transfer",
        "pin_blocked",
        "reverted_card_payment?",
        "top_up_failed",
        "top_up_reverted",
        "transaction_charged_twice",
        "transfer_not_received_by_recipient",
        "unable_to_verify_identity",
        "virtual_card_not_working",
        "wrong_amount_of_cash_received",
        "wrong_exchange_rate_for_cash_withdrawal",
    }
)
_JOBS = frozenset(
    {
        "cancel_transfer",
        "compromised_card",
        "lost_or_stolen_card",
        "lost_or_stolen_phone",
        "order_physical_card",
        "request_refund",
        "terminate_account",
    }
)


def _support(folder: Path) -> Iterator[Example]:
    """Take every so many rows, that all their intents are among them."""
    path = folder / "banking77_train.csv"
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:: max(1, len(rows) // _SUPPORT_ROWS)]:
        intent = row["category"]
        category = Category.BUG if intent in _FAULTS else Category.CHORE if intent in _JOBS else Category.QUESTION
        yield Example(row["text"], category, "banking77", "en", _SUPPORT_WEIGHT)
