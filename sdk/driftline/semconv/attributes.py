"""Attribute names. Generated from ``registry/`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from typing import Final

ML_MODEL_NAME: Final = "ml.model.name"
"""The name of the model. Every version and every process of the model has the same name."""

ML_MODEL_VERSION: Final = "ml.model.version"
"""The version of the model."""

ML_MODEL_TASK: Final = "ml.model.task"
"""What the model predicts."""

ML_OPERATION_NAME: Final = "ml.operation.name"
"""The name of the operation."""

ML_PREDICTION_ID: Final = "ml.prediction.id"
"""The id of the prediction, by which outcomes are joined with it."""

ML_PREDICTION_SCORE: Final = "ml.prediction.score"
"""The score that the model returned, such as the probability of the positive class of a binary model."""

ML_PREDICTION_CLASS: Final = "ml.prediction.class"
"""The predicted class."""

ML_PREDICTION_VALUE: Final = "ml.prediction.value"
"""The predicted number of a regression model."""

ML_PREDICTION_COUNT: Final = "ml.prediction.count"
"""The number of rows of a batch."""

ML_OUTCOME_ACTUAL: Final = "ml.outcome.actual"
"""What really happened: the class, or the number as text."""

DRIFTLINE_MODEL_TEAM: Final = "driftline.model.team"
"""The team that is responsible for the model, from `driftline.yaml`."""

DRIFTLINE_MODEL_TIER: Final = "driftline.model.tier"
"""The importance of the model from 1 (highest) to 3 (lowest), from `driftline.yaml`."""

DRIFTLINE_MODEL_CLASSES: Final = "driftline.model.classes"
"""The classes, in the order of the score columns."""

DRIFTLINE_MODEL_POSITIVE_CLASS: Final = "driftline.model.positive_class"
"""The class whose probability is the score of a binary model."""

DRIFTLINE_MODEL_QUANTILES: Final = "driftline.model.quantiles"
"""The levels of the quantiles that a regression predicts, in the order of its scores. The levels are increasing."""

DRIFTLINE_MODEL_THRESHOLD: Final = "driftline.model.threshold"
"""The positive class is predicted if the score is at least this threshold."""

DRIFTLINE_PREDICTION_TIME_UNIX_NANO: Final = "driftline.prediction.time_unix_nano"
"""When the prediction was made, in unix nanoseconds."""

DRIFTLINE_PREDICTION_SCORES: Final = "driftline.prediction.scores"
"""One score per class, in the order of `driftline.model.classes`. For a ranking, one score per item, in the order of `driftline.prediction.items`."""

DRIFTLINE_PREDICTION_ITEMS: Final = "driftline.prediction.items"
"""The ids of the ranked items, best first."""

DRIFTLINE_PREDICTION_ITEM_COUNT: Final = "driftline.prediction.item.count"
"""The number of items in the ranking."""

DRIFTLINE_PREDICTION_ITEM_SCORES: Final = "driftline.prediction.item.scores"
"""The scores of the ranked items of all rows of a columnar record, in the order of `driftline.prediction.items`."""

DRIFTLINE_PREDICTION_DURATION: Final = "driftline.prediction.duration"
"""The duration of the prediction in seconds, on records. A span has its own duration."""

DRIFTLINE_PREDICTION_RECORDED: Final = "driftline.prediction.recorded"
"""Whether the rows of this span are already counted elsewhere, in a prediction record or in distributions."""

DRIFTLINE_PREDICTION_UNREAD: Final = "driftline.prediction.unread"
"""True if the result of the model could not be read as a score, a class or a value."""

DRIFTLINE_PREDICTION_STAGE: Final = "driftline.prediction.stage"
"""The part of a prediction that the span describes, such as the look-up of its features."""

DRIFTLINE_PREDICTION_UNDATED: Final = "driftline.prediction.undated"
"""The number of predictions of a batch whose time was missing or could not be read. For these predictions, the time of the call is used."""

DRIFTLINE_PREDICTION_COLUMNS: Final = "driftline.prediction.columns"
"""The columns of a batch: a map from column name to the bytes of its values."""

DRIFTLINE_BATCH_ID: Final = "driftline.batch.id"
"""The unique id of a columnar record. With this id, a record that is sent again counts once."""

DRIFTLINE_FEATURE_VALUE: Final = "driftline.feature.value"
"""The value of one feature in the input of the model. The last part of the key is the name of the feature, unchanged. A prefix: append `.` and the name."""

DRIFTLINE_SLICE_VALUE: Final = "driftline.slice.value"
"""The value of one slice of low cardinality, such as a region. The last part of the key is the name of the slice. A prefix: append `.` and the name."""

DRIFTLINE_FEATURE_NAME: Final = "driftline.feature.name"
"""The name of a feature, on metrics."""

DRIFTLINE_FEATURE_CATEGORY: Final = "driftline.feature.category"
"""A category of a feature, or `other`, on metrics."""

DRIFTLINE_FEATURE_INVALID: Final = "driftline.feature.invalid"
"""True for values that exist but cannot be used, on metrics."""

DRIFTLINE_FEATURE_DROPPED: Final = "driftline.feature.dropped"
"""The number of features that were left out of the span, because a span has a maximum number of features."""

DRIFTLINE_HISTOGRAM_PART: Final = "driftline.histogram.part"
"""The number of a finer histogram, which is a part of the distribution. The coarse histogram does not have this attribute."""

DRIFTLINE_HISTOGRAM_DIRECT: Final = "driftline.histogram.direct"
"""True for scores that Driftline sends itself, while the application's MeterProvider sends the other scores of the model."""

DRIFTLINE_DISTRIBUTION_COUNTED: Final = "driftline.distribution.counted"
"""True if the sender also sends `driftline.distribution.rows`, so that each duration belongs to one call. Otherwise, each duration belongs to one row."""

DRIFTLINE_CAPTURE: Final = "driftline.capture"
"""The destination of the rows that a metric counts. The attribute is on the resource, the scope or the point."""

DRIFTLINE_OUTCOME_TIME_UNIX_NANO: Final = "driftline.outcome.time_unix_nano"
"""When the outcome became known, in unix nanoseconds."""

DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: Final = "driftline.outcome.prediction_time_unix_nano"
"""When the prediction was made, in unix nanoseconds, if the sender of the outcome has this time. With this time, finding the prediction is cheaper."""

DRIFTLINE_OUTCOME_WEIGHT: Final = "driftline.outcome.weight"
"""One divided by the probability that the row was selected for labelling. If the attribute is absent, the weight is 1."""

DRIFTLINE_OUTCOME_ITEM: Final = "driftline.outcome.item"
"""The item of a ranking that the outcome is about, such as the item that was clicked."""

DRIFTLINE_OUTCOME_VALUE: Final = "driftline.outcome.value"
"""The final value of the prediction, in a unit that the owner of the model chooses."""

DRIFTLINE_OUTCOME_QUANTILE: Final = "driftline.outcome.quantile"
"""The quantile of a delay. It is the fraction of outcomes that arrived within this delay."""

DRIFTLINE_OUTCOME_RETRACTED: Final = "driftline.outcome.retracted"
"""True if the outcome retracts the earlier outcomes of the prediction. The prediction has no outcome until another outcome arrives."""

DRIFTLINE_TRAINING_RUN_ID: Final = "driftline.training.run.id"
"""The id of a training run. A run that arrives twice counts once."""

DRIFTLINE_TRAINING_DURATION: Final = "driftline.training.duration"
"""The duration of the run in seconds."""

DRIFTLINE_TRAINING_CPU_TIME: Final = "driftline.training.cpu.time"
"""CPU seconds of the process and its children during the run."""

DRIFTLINE_TRAINING_MEMORY_PEAK: Final = "driftline.training.memory.peak"
"""The peak resident memory of the process and its children during the run, in bytes."""

DRIFTLINE_TRAINING_GPU_TIME: Final = "driftline.training.gpu.time"
"""GPU seconds that the run allocated. A GPU hour is 3,600 GPU seconds."""

DRIFTLINE_TRAINING_GPU_COUNT: Final = "driftline.training.gpu.count"
"""The number of GPUs that the run allocated."""

DRIFTLINE_TRAINING_GPU_TYPE: Final = "driftline.training.gpu.type"
"""The type of the GPUs, as named by NVML or the caller. The price per GPU hour depends on this type."""

DRIFTLINE_TRAINING_ROWS: Final = "driftline.training.rows"
"""The number of rows that the model was trained on."""

DRIFTLINE_TRAINING_EPOCHS: Final = "driftline.training.epochs"
"""The number of passes over the rows."""

DRIFTLINE_TRAINING_COST: Final = "driftline.training.cost"
"""The cost of the run according to the price sheet."""

DRIFTLINE_TRAINING_CURRENCY: Final = "driftline.training.currency"
"""The currency of `driftline.training.cost`."""

DRIFTLINE_TRAINING_RESOURCE_COST: Final = "driftline.training.resource_cost"
"""The cost of one resource of the run. The last part of the key is `machine`, `cpu`, `gpu` or `memory`. A prefix: append `.` and the name."""

DRIFTLINE_TRAINING_RESULT_VALUE: Final = "driftline.training.result.value"
"""A result of the training, such as a validation loss. The last part of the key is the name of the result, unchanged. A prefix: append `.` and the name."""

DRIFTLINE_TRAINING_RESULT_NAME: Final = "driftline.training.result.name"
"""The name of a training result, on metrics."""

DRIFTLINE_DRIFT_COLUMN: Final = "driftline.drift.column"
"""The distribution that is compared with the baseline."""

DRIFTLINE_DRIFT_WEIGHTING: Final = "driftline.drift.weighting"
"""The weight of a feature in the fraction of drifted features."""

DRIFTLINE_DRIFT_SLICE: Final = "driftline.drift.slice"
"""The slice that is compared, as `key=value`. For all rows, the attribute is absent."""

DRIFTLINE_DRIFT_METHOD: Final = "driftline.drift.method"
"""The method that compares the two distributions."""

DRIFTLINE_QUALITY_CHECK: Final = "driftline.quality.check"
"""The check of the data."""

DRIFTLINE_PERFORMANCE_METRIC: Final = "driftline.performance.metric"
"""The performance metric of the value."""

DRIFTLINE_PERFORMANCE_SLICE: Final = "driftline.performance.slice"
"""The slice that was measured, as `key=value`. For all rows, the attribute is absent."""

DRIFTLINE_SERVICE_QUANTILE: Final = "driftline.service.quantile"
"""The quantile of a latency. It is the fraction of calls that took at most as long as this latency."""

DRIFTLINE_FAIRNESS_ATTRIBUTE: Final = "driftline.fairness.attribute"
"""The attribute that defines the groups of people."""

DRIFTLINE_FAIRNESS_CRITERION: Final = "driftline.fairness.criterion"
"""The criterion by which the groups are compared."""

DRIFTLINE_OBJECTIVE_RULE: Final = "driftline.objective.rule"
"""The objective, as its owner wrote it."""

DRIFTLINE_VERDICT_PREVIOUS_STATE: Final = "driftline.verdict.previous_state"
"""The state of the model's verdict before it changed."""

DRIFTLINE_VERDICT_SINCE: Final = "driftline.verdict.since"
"""The time since which the model has been in its state, in ISO 8601."""

DRIFTLINE_VERDICT_ADVICE: Final = "driftline.verdict.advice"
"""What to do about a verdict, as a sentence."""

DRIFTLINE_VERSION_CHAMPION: Final = "driftline.version.champion"
"""The version that another version is compared with."""

DRIFTLINE_PROBLEM: Final = "driftline.problem"
"""The name of a problem of the processor, as `/readyz` lists it."""

DRIFTLINE_WINDOW: Final = "driftline.window"
"""The length of the window that the value describes."""

DRIFTLINE_AUDIT_HASH: Final = "driftline.audit.hash"
"""The hash of an entry of the audit log, which covers all entries before it."""

DRIFTLINE_STATE: Final = "driftline.state"
"""The state that the series stands for."""

DRIFTLINE_SIGNAL: Final = "driftline.signal"
"""The kind of the OTLP request."""

DRIFTLINE_REASON: Final = "driftline.reason"
"""The reason why a row could not be used, or why there is no row."""

DRIFTLINE_LIMIT: Final = "driftline.limit"
"""The limit that a name exceeds: models, versions, environments or memory of the configuration, or the 1,024 features of a series."""

DRIFTLINE_DESTINATION: Final = "driftline.destination"
"""The exporter of the configuration that the request is sent to."""

DRIFTLINE_PAGE_URL_FULL: Final = "driftline.page.url.full"
"""The URL of the Driftline page with details, if `web.public_url` is set."""

DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"
"""Defined by OpenTelemetry."""

ERROR_TYPE: Final = "error.type"
"""Defined by OpenTelemetry."""

SERVICE_INSTANCE_ID: Final = "service.instance.id"
"""Defined by OpenTelemetry."""

SERVICE_NAME: Final = "service.name"
"""Defined by OpenTelemetry."""

SERVICE_VERSION: Final = "service.version"
"""Defined by OpenTelemetry."""
