"""Words and numbers of an Evaluation, shared by pages, terminal, `driftline top`, API and CLI. Imports core.

A fact that several surfaces show is a section (:mod:`.sections`), whose module has its layout. :mod:`.sentences` has
the words for facts. :mod:`.numbers` writes numbers, :mod:`.times` dates and windows, :mod:`.states` states,
:mod:`.metrics` metrics in words, :mod:`.names` received names. :mod:`.evaluation_json` declares the JSON,
which :mod:`.json_shapes` creates.
"""
