"""`metamann-audit`: can a result be trusted? Contracts of data, sampler and learner, checked on real episodes."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import DictConfig

from metamann.application.origin import origin
from metamann.checks.finding import Finding, markdown
from metamann.checks.learners import audit_learner
from metamann.checks.samplers import audit_sampler
from metamann.checks.splits import audit_splits
from metamann.checks.tasks import audit_tasks_apart
from metamann.commands.build import classes_for
from metamann.commands.directory import results_directory
from metamann.commands.reopen import Run, kind_of, reopen
from metamann.commands.shell import command_line, job, print_run_directory, run_command, run_directory
from metamann.data.plain_files import write_json, write_text
from metamann.data.store import DataSplits
from metamann.episodes.sampler import Sampler
from metamann.episodes.sentences.protocols import SentenceProtocol
from metamann.episodes.sentences.sampler import SentenceSampler
from metamann.errors import ConfigError, MetamannError, check_number

LEAST_EPISODES = 20


@hydra.main(version_base="1.3", config_path="pkg://metamann.conf", config_name="audit")
@job
def audit(config: DictConfig) -> float:
    """Audit a run, or a user's own sampler and learner, and write `audit.md` and `audit.json`.

    Returns:
        How many checks failed. Where any did, the command ends with exit status 1.
    """
    directory, started = results_directory(run_directory(), config), time.monotonic()
    for name in ("episodes", "answered"):
        check_number(name, config[name], least=LEAST_EPISODES, whole=True)
    if (config.checkpoint is None) == (config.make_sampler is None):
        raise ConfigError("give either checkpoint=RUN, or make_sampler=package.module.function of your own.")
    findings = _own(config) if config.checkpoint is None else _run(config, reopen(config.checkpoint, config))
    write_text(directory / "audit.md", "\n".join(markdown(findings)) + "\n")
    seconds = round(time.monotonic() - started)
    record = {**origin(command_line()), "seconds": seconds, "findings": [finding._asdict() for finding in findings]}
    write_json(directory / "audit.json", record)
    for finding in findings:
        print(f"{finding.outcome:9}{finding.check}: {finding.evidence}", flush=True)
    failed = sum(finding.outcome == "fail" for finding in findings)
    print(f"{failed} of {len(findings)} checks failed, {seconds} s")
    print_run_directory(directory)
    if failed:
        sys.exit(1)
    return failed


def _run(config: DictConfig, run: Run) -> list[Finding]:
    """The data of a run, their sampler, and its learner."""
    if kind_of(run.protocol) not in ("images", "sentences"):
        raise ConfigError(f"{run.path} was trained on {kind_of(run.protocol)}, which have no episodes of new classes.")
    splits = run.splits()
    run.check_unchanged(splits, config.split)
    protocol: Any = run.protocol
    store: Any = splits.split(config.split)
    if isinstance(splits, DataSplits):
        store = classes_for(protocol, splits, config.split)

    def make() -> Any:
        if isinstance(protocol, SentenceProtocol):
            return SentenceSampler(store, protocol, config.seed)
        return Sampler(store, protocol, config.seed)

    findings = [*audit_splits(splits), *audit_sampler(make, config.episodes)]
    return [*findings, *audit_learner(run.learner(protocol), make(), config.answered)]


def _own(config: DictConfig) -> list[Finding]:
    make = _named(config.make_sampler)
    findings = audit_sampler(make, config.episodes)
    if config.make_test_sampler is not None:
        findings.append(audit_tasks_apart(make(), _named(config.make_test_sampler)(), config.episodes))
    if config.make_learner is not None:
        findings += audit_learner(_named(config.make_learner)(), make(), config.answered)
    return findings


def _named(path: str) -> Callable[[], Any]:
    """What a dotted path names.

    Raises:
        ConfigError: if it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    sys.path.insert(0, "")  # the user's own module lies where the command is run
    try:
        found: Callable[[], Any] = getattr(importlib.import_module(module), name)
    except MetamannError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be imported ({error}); give package.module.function.") from error
    finally:
        sys.path.pop(0)
    return found


def main() -> None:
    """Entry point of `metamann-audit`."""
    run_command(audit, open_groups=("data", "protocol", "learner"))


if __name__ == "__main__":
    main()
