"""Words and numbers of an Evaluation, made once for pages, terminal, `driftline top`, API and CLI. Imports core.

A number is written by :mod:`.numbers`, a time or window by :mod:`.times`, a state by :mod:`.states`, the title of a
metric or method by :mod:`.titles`, a name from elsewhere by :mod:`.names`. :mod:`.sentences` says a whole window;
:mod:`.concept`, :mod:`.estimates`, :mod:`.fairness`, :mod:`.outcomes` and :mod:`.versions` say what their name says.
:mod:`.evaluation_json` declares the JSON of all of it, which :mod:`.json_shapes` makes.
"""
