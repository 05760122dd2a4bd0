"""Files of other monitoring tools, converted to a configuration or to a baseline: `driftline import`.

``evidently`` and ``sagemaker`` give expectations and policies; ``sagemaker`` and ``whylogs_profile`` give the
distributions of ``column_summary``, from which ``summary_baseline`` builds a baseline. May import the SDK, `config`,
`core`, `present` and `readers`.
"""
