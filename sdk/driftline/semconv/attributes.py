"""Attribute names. Generated from ``registry/`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from typing import Final

ML_MODEL_NAME: Final = "ml.model.name"
"""The name of the model, the same in every version and every process that serves it."""

ML_MODEL_VERSION: Final = "ml.model.version"
"""The version of the model that made the prediction."""

ML_MODEL_TASK: Final = "ml.model.task"
"""What the model predicts."""

ML_OPERATION_NAME: Final = "ml.operation.name"
"""The operation that the span describes."""

ML_PREDICTION_ID: Final = "ml.prediction.id"
"""The text by which outcomes find the prediction again."""

ML_PREDICTION_SCORE: Final = "ml.prediction.score"
"""The score that the model returned, such as the probability of the positive class of a binary model."""

ML_PREDICTION_CLASS: Final = "ml.prediction.class"
"""The predicted class."""

ML_PREDICTION_VALUE: Final = "ml.prediction.value"
"""The predicted number of a regression model."""

ML_PREDICTION_COUNT: Final = "ml.prediction.count"
"""The number of predictions in a batch."""

ML_OUTCOME_ACTUAL: Final = "ml.outcome.actual"
"""What really happened: the class, or the number."""

DRIFTLINE_MODEL_TEAM: Final = "driftline.model.team"
"""Who answers for the model, as `driftline.yaml` says."""

DRIFTLINE_MODEL_TIER: Final = "driftline.model.tier"
"""How much depends on the model, as `driftline.yaml` says; 1 most, 3 least."""

DRIFTLINE_MODEL_CLASSES: Final = "driftline.model.classes"
"""The classes, in the order of the score columns."""

DRIFTLINE_MODEL_POSITIVE_CLASS: Final = "driftline.model.positive_class"
"""The class that a binary model's score is the probability of."""

DRIFTLINE_MODEL_QUANTILES: Final = "driftline.model.quantiles"
"""The levels of the quantiles that a regression predicts, in the order of its scores; increasing."""

DRIFTLINE_MODEL_THRESHOLD: Final = "driftline.model.threshold"
"""The score of the positive class from which on it is the predicted class."""

DRIFTLINE_PREDICTION_TIME_UNIX_NANO: Final = "driftline.prediction.time_unix_nano"
"""When the prediction was made, in unix nanoseconds."""

DRIFTLINE_PREDICTION_SCORES: Final = "driftline.prediction.scores"
"""One score per class, in the order of `driftline.model.classes`; of a ranking, one per item, in the order of `driftline.prediction.items`."""

DRIFTLINE_PREDICTION_ITEMS: Final = "driftline.prediction.items"
"""The ids of the ranked items, best first."""

DRIFTLINE_PREDICTION_ITEM_COUNT: Final = "driftline.prediction.item.count"
"""How many items the ranking holds."""

DRIFTLINE_PREDICTION_ITEM_SCORES: Final = "driftline.prediction.item.scores"
"""The scores of the ranked items of all rows of a columnar record, in the order of `driftline.prediction.items`."""

DRIFTLINE_PREDICTION_DURATION: Final = "driftline.prediction.duration"
"""How long the prediction took, in seconds; on records. A span has its own duration."""

DRIFTLINE_PREDICTION_RECORDED: Final = "driftline.prediction.recorded"
"""Whether the rows of this span are already counted elsewhere, in a prediction record or in distributions."""

DRIFTLINE_PREDICTION_UNREAD: Final = "driftline.prediction.unread"
"""True when what the model returned could not be read as a score, a class or a value."""

DRIFTLINE_PREDICTION_COLUMNS: Final = "driftline.prediction.columns"
"""The columns of a batch: a map from column name to the bytes of its values."""

DRIFTLINE_BATCH_ID: Final = "driftline.batch.id"
"""Unique per columnar record, so that one that is sent again counts once."""

DRIFTLINE_FEATURE_VALUE: Final = "driftline.feature.value"
"""The value of one feature as the model saw it; the feature's name is the last part, verbatim. A prefix: append `.` and the name."""

DRIFTLINE_SLICE_VALUE: Final = "driftline.slice.value"
"""The value of one slice, a cut of low cardinality such as a region; the slice's name is the last part. A prefix: append `.` and the name."""

DRIFTLINE_FEATURE_NAME: Final = "driftline.feature.name"
"""The name of a feature, on metrics."""

DRIFTLINE_FEATURE_CATEGORY: Final = "driftline.feature.category"
"""A text that a feature had, or `other`, on metrics."""

DRIFTLINE_FEATURE_INVALID: Final = "driftline.feature.invalid"
"""True for values that are there and cannot be used, on metrics."""

DRIFTLINE_FEATURE_DROPPED: Final = "driftline.feature.dropped"
"""How many features stayed off the span because it carries at most a fixed number."""

DRIFTLINE_HISTOGRAM_PART: Final = "driftline.histogram.part"
"""Which finer part of a distribution the histogram is; the coarse one has no such attribute."""

DRIFTLINE_CAPTURE: Final = "driftline.capture"
"""What holds the rows that a metric counts; on the scope."""

DRIFTLINE_OUTCOME_TIME_UNIX_NANO: Final = "driftline.outcome.time_unix_nano"
"""When the truth was known, in unix nanoseconds."""

DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: Final = "driftline.outcome.prediction_time_unix_nano"
"""When the prediction was made, in unix nanoseconds, if the sender of the outcome knows; it makes the join cheaper."""

DRIFTLINE_OUTCOME_WEIGHT: Final = "driftline.outcome.weight"
"""One divided by the probability with which the row was chosen to be labelled; absent means 1."""

DRIFTLINE_OUTCOME_ITEM: Final = "driftline.outcome.item"
"""The item of a ranking that the outcome is about, such as the one that was clicked."""

DRIFTLINE_OUTCOME_VALUE: Final = "driftline.outcome.value"
"""What the prediction was worth in the end, in the unit in which the owner of the model counts."""

DRIFTLINE_OUTCOME_QUANTILE: Final = "driftline.outcome.quantile"
"""Of a delay, the share of the outcomes that came no later."""

DRIFTLINE_OUTCOME_RETRACTED: Final = "driftline.outcome.retracted"
"""The outcome takes back what was said of the prediction before; nothing is known of it until another one comes."""

DRIFTLINE_TRAINING_RUN_ID: Final = "driftline.training.run.id"
"""The id of a training run; a run that arrives twice counts once."""

DRIFTLINE_TRAINING_DURATION: Final = "driftline.training.duration"
"""Seconds that the run took."""

DRIFTLINE_TRAINING_CPU_TIME: Final = "driftline.training.cpu.time"
"""CPU seconds of the process and its children during the run."""

DRIFTLINE_TRAINING_MEMORY_PEAK: Final = "driftline.training.memory.peak"
"""The greatest resident memory of the process and its children during the run, in bytes."""

DRIFTLINE_TRAINING_GPU_TIME: Final = "driftline.training.gpu.time"
"""Seconds of GPUs that the run held; a GPU-hour is 3,600 of them."""

DRIFTLINE_TRAINING_GPU_COUNT: Final = "driftline.training.gpu.count"
"""How many GPUs the run held."""

DRIFTLINE_TRAINING_GPU_TYPE: Final = "driftline.training.gpu.type"
"""The type of the GPUs, as NVML or the caller names it; the price of their hour depends on it."""

DRIFTLINE_TRAINING_ENERGY: Final = "driftline.training.energy"
"""Joules that the run's GPUs, or the packages of its machine's processors, took during the run."""

DRIFTLINE_TRAINING_ENERGY_SOURCES: Final = "driftline.training.energy_sources"
"""The parts whose energy is in `driftline.training.energy`."""

DRIFTLINE_TRAINING_ROWS: Final = "driftline.training.rows"
"""Rows that the model was trained on."""

DRIFTLINE_TRAINING_EPOCHS: Final = "driftline.training.epochs"
"""How often the rows were passed through."""

DRIFTLINE_TRAINING_COST: Final = "driftline.training.cost"
"""What the run cost by the price sheet."""

DRIFTLINE_TRAINING_CURRENCY: Final = "driftline.training.currency"
"""The currency of `driftline.training.cost`."""

DRIFTLINE_TRAINING_RESOURCE_COST: Final = "driftline.training.resource_cost"
"""What one resource of the run cost; the last part is `machine`, `cpu`, `gpu`, `memory` or `energy`. A prefix: append `.` and the name."""

DRIFTLINE_TRAINING_RESULT_VALUE: Final = "driftline.training.result.value"
"""A measure that the trainer took of its model; its name is the last part, verbatim. A prefix: append `.` and the name."""

DRIFTLINE_TRAINING_RESULT_NAME: Final = "driftline.training.result.name"
"""The name of such a measure, on metrics."""

DRIFTLINE_DRIFT_COLUMN: Final = "driftline.drift.column"
"""Which distribution is compared with the baseline's."""

DRIFTLINE_DRIFT_WEIGHTING: Final = "driftline.drift.weighting"
"""What a feature counts for in the share of drifted ones."""

DRIFTLINE_DRIFT_SLICE: Final = "driftline.drift.slice"
"""The slice that is compared, `key=value`; absent where it is all rows."""

DRIFTLINE_DRIFT_METHOD: Final = "driftline.drift.method"
"""How the two distributions are compared."""

DRIFTLINE_QUALITY_CHECK: Final = "driftline.quality.check"
"""What is checked of the data."""

DRIFTLINE_PERFORMANCE_METRIC: Final = "driftline.performance.metric"
"""Which performance metric the value is."""

DRIFTLINE_PERFORMANCE_SLICE: Final = "driftline.performance.slice"
"""The slice that was measured, `key=value`; absent where it is all rows."""

DRIFTLINE_SERVICE_QUANTILE: Final = "driftline.service.quantile"
"""Of a latency, the share of the calls that took no longer."""

DRIFTLINE_FAIRNESS_ATTRIBUTE: Final = "driftline.fairness.attribute"
"""What tells the groups of people."""

DRIFTLINE_FAIRNESS_CRITERION: Final = "driftline.fairness.criterion"
"""What must be alike between the groups."""

DRIFTLINE_OBJECTIVE_RULE: Final = "driftline.objective.rule"
"""What the metric shall be, as its owner wrote it."""

DRIFTLINE_VERDICT_PREVIOUS_STATE: Final = "driftline.verdict.previous_state"
"""The state of the model's verdict before it changed."""

DRIFTLINE_VERDICT_SINCE: Final = "driftline.verdict.since"
"""From when on the model is in its state, in ISO 8601."""

DRIFTLINE_VERDICT_ADVICE: Final = "driftline.verdict.advice"
"""What to do about a verdict, as a sentence."""

DRIFTLINE_VERSION_CHAMPION: Final = "driftline.version.champion"
"""The version that another one is compared with."""

DRIFTLINE_WINDOW: Final = "driftline.window"
"""The length of the window that the value describes."""

DRIFTLINE_STATE: Final = "driftline.state"
"""The state that the series stands for."""

DRIFTLINE_SIGNAL: Final = "driftline.signal"
"""Which kind of OTLP request."""

DRIFTLINE_REASON: Final = "driftline.reason"
"""Why a row could not be used."""

DRIFTLINE_LIMIT: Final = "driftline.limit"
"""Which limit of the configuration a name is beyond: models, versions or environments."""

DRIFTLINE_DESTINATION: Final = "driftline.destination"
"""The exporter of the configuration that the request goes to."""

DRIFTLINE_PAGE_URL_FULL: Final = "driftline.page.url.full"
"""The address of the page of Driftline that tells more, where `web.public_url` says how people reach it."""

SERVICE_NAME: Final = "service.name"
"""The logical name of the service; on the resource."""

SERVICE_INSTANCE_ID: Final = "service.instance.id"
"""The id of the one process; on the resource."""

DEPLOYMENT_ENVIRONMENT_NAME: Final = "deployment.environment.name"
"""The environment, such as staging or production; on the resource. Outcomes join within one environment."""

ERROR_TYPE: Final = "error.type"
"""The class of the error that ended the operation."""
