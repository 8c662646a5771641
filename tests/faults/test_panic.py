"""A tokenizer whose Rust code panics: that raises what is no Exception, and nobody waits in vain."""

import shutil
from pathlib import Path

import grpc
from tokenizers import Regex, Tokenizer, pre_tokenizers

from ligserve.server.pool.local import WORKER_COMMAND
from tests.conftest import ZooModel
from tests.server.front_harness import failure, running_front

# It tries all ways to share out the letters, and gives up after ten million.
ENDLESS = r"(x+x+)+y"


async def test_a_request_at_which_the_tokenizer_panics_fails_at_once_and_alone(
    zoo_model: ZooModel, tmp_path: Path
) -> None:
    source = shutil.copytree(zoo_model("modernbert"), tmp_path / "model")
    file = str(source / "tokenizer.json")
    tokenizer = Tokenizer.from_file(file)
    endless = pre_tokenizers.Split(Regex(ENDLESS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([endless, tokenizer.pre_tokenizer])
    tokenizer.save(file)
    async with running_front(
        str(source), command=WORKER_COMMAND, threads_per_worker=1, kept_points_mib=0
    ) as front:
        error = await failure(front.explain("x" * 40, timeout=60))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert (await front.explain("good", timeout=60)).estimates
