"""What to do next, as far as the numbers support it, with commands."""

from collections.abc import Iterator

from mnist_sweep.analysis.combination import Status
from mnist_sweep.analysis.summary import Summary
from mnist_sweep.plan.counts import counted


def next_steps(summary: Summary, folder: str) -> list[str]:
    """What to do next, with commands; while trials are left, how to continue and nothing else."""
    n_failed, n_left = summary.n(Status.FAILED), summary.n(Status.PENDING)
    steps = [f"{counted(n_left, 'trial')} left to train: run the same command again."] if n_left else _longer(summary)
    if n_failed:
        steps.append(f"{counted(n_failed, 'trial')} failed: full.xlsx says why; --retry-failed trains again.")
    if n_left:
        return steps
    if not summary.is_repeated:
        return [
            *steps,
            "Set repeats to 3 and run again: what is trained is kept, and a difference can then be told from chance.",
        ]
    steps += _edges(summary)
    confirmed = {one.recipe for one in summary.confirmed if one.n_finished}
    if len(summary.ranked) > 1 and summary.ranked[0].recipe not in confirmed:
        top = min(5, len(summary.ranked))
        steps.append(f"Retrain the first ones with fresh seeds: mnist-sweep confirm {folder} --top {top} --repeats 10")
    return steps


def _longer(summary: Summary) -> list[str]:
    """To raise max_epochs, where trainings that have the most epochs of all were cut."""
    rules = [(c.recipe.max_epochs, c.recipe.early_stopping.patience) for c in summary.cut if c.recipe.early_stopping]
    if not rules or max(rules)[0] < max(c.recipe.max_epochs for c in summary.combinations if c.recipe.early_stopping):
        return []
    most, n_cut = max(rules)[0], sum(combination.n_cut for combination in summary.cut)
    enough = most + max(most, *(patience for _, patience in rules))
    why = f"it ended {n_cut:,} of {counted(summary.n(Status.FINISHED), 'training')} before early stopping did"
    if "max_epochs" in summary.varied:
        return [f"Add a larger value to max_epochs, {enough} or more ({most} is the largest): {why}."]
    how = "and run it under another name or with --fresh"
    return [f"Raise max_epochs in the sweep file from {most} to {enough} or more, {how}: {why}."]


def _edges(summary: Summary) -> Iterator[str]:
    """Axes of numbers whose outermost value is better than its neighbour beyond chance."""
    for effect in summary.effects().axes:
        levels = [level for level in effect.levels if type(level.value) in {int, float}]
        if effect.nested or len(levels) < len(effect.levels):
            continue
        levels.sort(key=lambda level: level.value)  # type: ignore[arg-type,return-value]
        best, what = effect.best(), f"{effect.name.capitalize()} {effect.value_words(effect.best())}"
        if best is levels[-1] and levels[-2].worse:
            yield f"{what} is the best and the largest that was tried: try larger ones."
        elif best is levels[0] and levels[1].worse and best.value:  # nothing is less than none of it
            yield f"{what} is the best and the smallest that was tried: try smaller ones."
