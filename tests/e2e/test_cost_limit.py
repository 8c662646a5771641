"""The server's limit on the cost of one request, over the wire."""

from collections.abc import Iterator
from typing import Any

import pytest

from ligserve.client import (
    Client,
    InvalidRequestError,
    SequenceClassification,
    TokenClassification,
    Window,
)
from ligserve.server.workers.models.head import TOKEN
from tests.conftest import ENTITY_LABELS, ZooModel
from tests.live_server import live_server
from tests.zoo.corpus import SENTENCES

SERVERS_LIMIT, BERTS_LIMIT = 10_000, 25_000
# Some 400 tokens; the models take 128.
TEXT = SequenceClassification(" ".join(SENTENCES * 3))


@pytest.fixture(scope="module")
def client(zoo_model: ZooModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("limit")
    settings = folder / "ligserve.toml"
    settings.write_text(
        f'[models]\nentities = "{zoo_model("bert", labels=ENTITY_LABELS, head=TOKEN)}"\n'
        f'[models.bert]\nsource = "{zoo_model("bert")}"\nmax_token_passes = {BERTS_LIMIT}\n'
    )
    flags = ("--config", str(settings), "--max-token-passes", str(SERVERS_LIMIT), "--threads", "1")
    with live_server({}, folder / "server.log", *flags) as server, Client(server.address) as connected:
        yield connected


def unary(client: Client, *asked: Any, **options: Any) -> object:
    return client.explain(*asked, **options)


def streamed(client: Client, *asked: Any, **options: Any) -> object:
    with client.stream(*asked, **options) as stream:
        return stream.result()


@pytest.mark.parametrize("ask", [unary, streamed])
def test_what_costs_too_much_is_refused_with_both_numbers(client: Client, ask: Any) -> None:
    options: dict[str, Any] = {"long_input": Window(30), "tolerance": 0.05}
    estimate = client.estimate_cost("bert", TEXT, **options)
    assert estimate.above_limit
    assert estimate.max_token_passes == BERTS_LIMIT < estimate.judged_token_passes
    with pytest.raises(InvalidRequestError) as caught:
        ask(client, "bert", TEXT, **options)
    error = caught.value
    assert error.reason == "COST_ABOVE_LIMIT"
    assert f"about {estimate.judged_token_passes} token passes ({estimate.windows} windows" in str(error)
    assert f"at most {BERTS_LIMIT}; ask for a larger stride" in str(error)
    (violation,) = error.violations
    assert violation.field == "options.long_input.window.stride"
    assert error.failure.metadata == {
        "token_passes": str(estimate.judged_token_passes),
        "max_token_passes": str(BERTS_LIMIT),
    }


def test_a_larger_stride_is_not_advised_where_there_is_none(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="; ask for fewer steps or a shorter text") as caught:
        client.explain("bert", TEXT, n_steps=200, long_input=Window(126))
    assert caught.value.reason == "COST_ABOVE_LIMIT"
    assert [violation.field for violation in caught.value.violations] == ["options.fixed_steps.n_steps"]


def test_what_the_refusal_advises_is_let_through(client: Client) -> None:
    for options in ({"long_input": Window(120)}, {"long_input": "truncate"}):
        estimate = client.estimate_cost("bert", TEXT, tolerance=0.05, **options)
        assert not estimate.above_limit
        assert client.explain("bert", TEXT, tolerance=0.05, **options).targets


def test_a_model_without_a_limit_of_its_own_has_the_servers(client: Client) -> None:
    task = TokenClassification(SENTENCES[1])
    with pytest.raises(InvalidRequestError, match=f"at most {SERVERS_LIMIT}; .* fewer targets") as caught:
        client.explain("entities", task, n_steps=50)
    assert caught.value.violations[0].field == "options.fixed_steps.n_steps"
    assert client.explain("entities", task, n_steps=2).targets


def test_short_requests_never_notice(client: Client) -> None:
    for sentence in SENTENCES:
        assert client.explain("bert", SequenceClassification(sentence)).targets
