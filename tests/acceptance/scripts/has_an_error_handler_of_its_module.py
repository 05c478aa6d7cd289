"""A handler of the module without a stream, which means stderr."""

import logging

from livejobs import live_job

log = logging.getLogger("recipe.two")
log.propagate = False
log.addHandler(logging.StreamHandler())


@live_job
def warns_by_recipe():
    log.warning("careful")
    print("done")


STEPS = [
    ("warns_by_recipe", {}, {"log": ["careful", "done"], "levels": {"careful": "warning", "done": "info"}}),
    ("warns_by_recipe", {}, {"log": ["careful", "done"], "levels": {"careful": "warning", "done": "info"}}),
]
