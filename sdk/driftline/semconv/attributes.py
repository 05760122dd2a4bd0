"""Attribute names. Generated from ``registry/attributes.yaml`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from typing import Final

ML_MODEL_NAME: Final = "ml.model.name"
"""The name of the model, the same in every version and every process that serves it."""

ML_MODEL_VERSION: Final = "ml.model.version"
"""The version of the model that made the prediction."""

ML_MODEL_TEAM: Final = "ml.model.team"
"""Who answers for the model, as `driftline.yaml` says."""

ML_MODEL_TIER: Final = "ml.model.tier"
"""How much depends on the model, as `driftline.yaml` says; 1 most, 3 least."""

ML_MODEL_TASK: Final = "ml.model.task"
"""What the model predicts."""

ML_MODEL_CLASSES: Final = "ml.model.classes"
"""The classes, in the order of the score columns."""

ML_MODEL_POSITIVE_CLASS: Final = "ml.model.positive_class"
"""The class that a binary model's score is the probability of."""

ML_MODEL_QUANTILES: Final = "ml.model.quantiles"
"""The levels of the quantiles that a regression predicts, in the order of its scores; increasing."""

ML_MODEL_THRESHOLD: Final = "ml.model.threshold"
"""The score of the positive class from which on it is the predicted class."""

ML_OPERATION_NAME: Final = "ml.operation.name"
"""The operation that the span describes."""

ML_PREDICTION_ID: Final = "ml.prediction.id"
"""The text by which outcomes find the prediction again."""

ML_PREDICTION_TIME: Final = "ml.prediction.time"
"""When the prediction was made, in unix nanoseconds."""

ML_PREDICTION_COUNT: Final = "ml.prediction.count"
"""How many predictions the span or the columnar record holds."""

ML_PREDICTION_SCORE: Final = "ml.prediction.score"
"""What the model gave: the probability of the positive class of a binary model."""

ML_PREDICTION_SCORES: Final = "ml.prediction.scores"
"""One score per class, in the order of `ml.model.classes`; of a ranking, one per item, in the order of `ml.prediction.items`."""

ML_PREDICTION_CLASS: Final = "ml.prediction.class"
"""The class that was decided for."""

ML_PREDICTION_VALUE: Final = "ml.prediction.value"
"""The predicted number of a regression model."""

ML_PREDICTION_ITEMS: Final = "ml.prediction.items"
"""The ids of the ranked items, best first."""

ML_PREDICTION_ITEM_COUNT: Final = "ml.prediction.item.count"
"""How many items the ranking holds."""

ML_PREDICTION_ITEM_SCORES: Final = "ml.prediction.item.scores"
"""The scores of the ranked items of all rows of a columnar record, in the order of `ml.prediction.items`."""

ML_PREDICTION_DURATION: Final = "ml.prediction.duration"
"""How long the prediction took, in seconds; on records. A span has its own duration."""

ML_PREDICTION_RECORDED: Final = "ml.prediction.recorded"
"""Whether the rows of this span are already counted elsewhere, in a prediction record or in distributions."""

ML_PREDICTION_UNREAD: Final = "ml.prediction.unread"
"""True when what the model returned could not be read as a score, a class or a value."""

ML_PREDICTION_COLUMNS: Final = "ml.prediction.columns"
"""The columns of a batch: a map from column name to the bytes of its values."""

ML_BATCH_ID: Final = "ml.batch.id"
"""Unique per columnar record, so that one that is sent again counts once."""

ML_FEATURE_VALUE: Final = "ml.feature.value"
"""The value of one feature as the model saw it; the feature's name is the last part, verbatim. A prefix: append `.` and the name."""

ML_SLICE_VALUE: Final = "ml.slice.value"
"""The value of one slice, a cut of low cardinality such as a region; the slice's name is the last part. A prefix: append `.` and the name."""

ML_FEATURE_NAME: Final = "ml.feature.name"
"""The name of a feature, on metrics."""

ML_FEATURE_CATEGORY: Final = "ml.feature.category"
"""A text that a feature had, or `other`, on metrics."""

ML_FEATURE_INVALID: Final = "ml.feature.invalid"
"""True for values that are there and cannot be used, on metrics."""

ML_FEATURE_DROPPED: Final = "ml.feature.dropped"
"""How many features stayed off the span because it carries at most a fixed number."""

ML_HISTOGRAM_PART: Final = "ml.histogram.part"
"""Which finer part of a distribution the histogram is; the coarse one has no such attribute."""

ML_CAPTURE: Final = "ml.capture"
"""What holds the rows that a metric counts; on the scope."""

ML_OUTCOME_ACTUAL: Final = "ml.outcome.actual"
"""What really happened: the class, or the number."""

ML_OUTCOME_TIME: Final = "ml.outcome.time"
"""When the truth was known, in unix nanoseconds."""

ML_OUTCOME_PREDICTION_TIME: Final = "ml.outcome.prediction_time"
"""When the prediction was made, in unix nanoseconds, if the sender of the outcome knows; it makes the join cheaper."""

ML_OUTCOME_WEIGHT: Final = "ml.outcome.weight"
"""One divided by the probability with which the row was chosen to be labelled; absent means 1."""

ML_OUTCOME_ITEM: Final = "ml.outcome.item"
"""The item of a ranking that the outcome is about, such as the one that was clicked."""

ML_OUTCOME_VALUE: Final = "ml.outcome.value"
"""What the prediction was worth in the end, in the unit in which the owner of the model counts."""

ML_OUTCOME_QUANTILE: Final = "ml.outcome.quantile"
"""Of a delay, the share of the outcomes that came no later."""

ML_OUTCOME_RETRACTED: Final = "ml.outcome.retracted"
"""The outcome takes back what was said of the prediction before; nothing is known of it until another one comes."""

ML_TRAINING_RUN_ID: Final = "ml.training.run.id"
"""The id of a training run; a run that arrives twice counts once."""

ML_TRAINING_DURATION: Final = "ml.training.duration"
"""Seconds that the run took."""

ML_TRAINING_CPU_TIME: Final = "ml.training.cpu.time"
"""CPU seconds of the process and its children during the run."""

ML_TRAINING_MEMORY_PEAK: Final = "ml.training.memory.peak"
"""The greatest resident memory of the process and its children during the run, in bytes."""

ML_TRAINING_GPU_TIME: Final = "ml.training.gpu.time"
"""Seconds of GPUs that the run held; a GPU-hour is 3,600 of them."""

ML_TRAINING_GPU_COUNT: Final = "ml.training.gpu.count"
"""How many GPUs the run held."""

ML_TRAINING_GPU_TYPE: Final = "ml.training.gpu.type"
"""The type of the GPUs, as NVML or the caller names it; the price of their hour depends on it."""

ML_TRAINING_ENERGY: Final = "ml.training.energy"
"""Joules that the run's GPUs, or the packages of its machine's processors, took during the run."""

ML_TRAINING_ENERGY_SOURCE: Final = "ml.training.energy.source"
"""The parts whose energy is in `ml.training.energy`."""

ML_TRAINING_ROWS: Final = "ml.training.rows"
"""Rows that the model was trained on."""

ML_TRAINING_EPOCHS: Final = "ml.training.epochs"
"""How often the rows were passed through."""

ML_TRAINING_COST: Final = "ml.training.cost"
"""What the run cost by the price sheet."""

ML_TRAINING_COST_CURRENCY: Final = "ml.training.cost.currency"
"""The currency of `ml.training.cost`."""

ML_TRAINING_COST_PART: Final = "ml.training.cost.part"
"""What one resource of the run cost; the last part is `machine`, `cpu`, `gpu`, `memory` or `energy`. A prefix: append `.` and the name."""

ML_TRAINING_RESULT: Final = "ml.training.result"
"""A measure that the trainer took of its model; its name is the last part, verbatim. A prefix: append `.` and the name."""

ML_TRAINING_RESULT_NAME: Final = "ml.training.result.name"
"""The name of such a measure, on metrics."""

ML_DRIFT_TARGET: Final = "ml.drift.target"
"""Which distribution is compared with the baseline's."""

ML_DRIFT_WEIGHTING: Final = "ml.drift.weighting"
"""What a feature counts for in the share of drifted ones."""

ML_DRIFT_SLICE: Final = "ml.drift.slice"
"""The slice that is compared, `key=value`; absent where it is all rows."""

ML_DRIFT_METHOD: Final = "ml.drift.method"
"""How the two distributions are compared."""

ML_QUALITY_CHECK: Final = "ml.quality.check"
"""What is checked of the data."""

ML_QUALITY_VERDICT: Final = "ml.quality.verdict"
"""What came of an expectation."""

ML_PERFORMANCE_METRIC: Final = "ml.performance.metric"
"""Which performance metric the value is."""

ML_PERFORMANCE_SLICE: Final = "ml.performance.slice"
"""The slice that was measured, `key=value`; absent where it is all rows."""

ML_SERVICE_QUANTILE: Final = "ml.service.quantile"
"""Of a latency, the share of the calls that took no longer."""

ML_FAIRNESS_ATTRIBUTE: Final = "ml.fairness.attribute"
"""What tells the groups of people."""

ML_FAIRNESS_CRITERION: Final = "ml.fairness.criterion"
"""What must be alike between the groups."""

ML_PERFORMANCE_OBJECTIVE: Final = "ml.performance.objective"
"""What the metric shall be, as its owner wrote it."""

ML_VERDICT_BEFORE: Final = "ml.verdict.before"
"""The state of the model's verdict before it changed."""

ML_VERDICT_SINCE: Final = "ml.verdict.since"
"""From when on the model is in its state, in ISO 8601."""

ML_VERDICT_NEXT: Final = "ml.verdict.next"
"""What to do about a verdict, as a sentence."""

ML_VERSION_CHAMPION: Final = "ml.version.champion"
"""The version that another one is compared with."""

ML_WINDOW: Final = "ml.window"
"""The length of the window that the value describes."""

STATE: Final = "state"
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
