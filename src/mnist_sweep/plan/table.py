"""The table of axes: plan, statistics, words, workbooks, template, schema and README are made from its rows.

A new setting of one number takes four edits: its field in `Recipe` with what it was until now as the default, a row in
`settings_of_models` or `settings_of_training`, its place in the YAML model in `sweepfile`, and the code in `training`
that uses it.
"""

from mnist_sweep.plan import settings_of_models, settings_of_training

SETTINGS = (*settings_of_models.SETTINGS, *settings_of_training.SETTINGS)
