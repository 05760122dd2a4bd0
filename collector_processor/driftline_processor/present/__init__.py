"""Words and numbers of an Evaluation, shared by pages, terminal, `driftline top`, API and CLI. Imports core.

:mod:`.numbers` writes numbers, :mod:`.times` times and windows, :mod:`.states` states, :mod:`.titles` titles of
metrics and methods, :mod:`.names` received names. :mod:`.sentences` describes a whole window.
:mod:`.evaluation_json` declares the JSON, which :mod:`.json_shapes` creates.
"""
