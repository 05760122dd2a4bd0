"""Metric names, units, instruments. Generated from ``registry/metrics.yaml`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from collections.abc import Mapping
from typing import Final

ML_PREDICTIONS: Final = "ml.predictions"
"""Predictions made, complete whatever the sampling."""

ML_OUTCOMES: Final = "ml.outcomes"
"""Outcomes that found their prediction, and corrections of them."""

ML_PREDICTION_DURATION: Final = "ml.prediction.duration"
"""How long predictions took."""

ML_PREDICTION_SCORE: Final = "ml.prediction.score"
"""What the model gave, as a distribution of the score of the positive class, the greatest of several scores, the value of a regression, or the first item's score."""

ML_TRAINING_RUNS: Final = "ml.training.runs"
"""Training runs that ended, failed ones included."""

ML_TRAINING_DURATION: Final = "ml.training.duration"
"""How long training runs took."""

ML_TRAINING_CPU_TIME: Final = "ml.training.cpu.time"
"""CPU seconds of training runs."""

ML_TRAINING_MEMORY_PEAK: Final = "ml.training.memory.peak"
"""The greatest resident memory of the last training run."""

ML_TRAINING_GPU_TIME: Final = "ml.training.gpu.time"
"""Seconds of GPUs that training runs held."""

ML_TRAINING_ENERGY: Final = "ml.training.energy"
"""Joules that training runs took, where they are known."""

ML_TRAINING_COST: Final = "ml.training.cost"
"""What training runs cost by their price sheets."""

ML_TRAINING_RESULT: Final = "ml.training.result"
"""A measure that the trainer took of the last model."""

ML_FEATURE_VALUE: Final = "ml.feature.value"
"""The numbers of one feature, as a distribution."""

ML_FEATURE_CATEGORIES: Final = "ml.feature.categories"
"""The texts of one feature, by label; rare ones are `other`."""

ML_FEATURE_MISSING: Final = "ml.feature.missing"
"""Predictions without a usable value of one feature."""

ML_DRIFT_VALUE: Final = "ml.drift.value"
"""How far the newest closed window is from the baseline, by one method."""

ML_MODEL_INFO: Final = "ml.model.info"
"""1 for each model that is known, with whose it is and how much depends on it."""

ML_MODEL_STATE: Final = "ml.model.state"
"""1 for the state of the model's verdict, whether it is still right."""

ML_DRIFT_STATE: Final = "ml.drift.state"
"""1 for the state that the target is in."""

ML_DRIFT_SHARE: Final = "ml.drift.share"
"""Drifted features of those that could be judged in the newest closed window, 0 to 1."""

ML_DRIFT_INCIDENT: Final = "ml.drift.incident"
"""1 while the drift of a target is an incident, as of the newest closed window, else 0."""

ML_QUALITY_FINDINGS: Final = "ml.quality.findings"
"""What one check found wrong with the data of the newest closed window, 0 where nothing."""

ML_QUALITY_EXPECTATIONS: Final = "ml.quality.expectations"
"""How many expectations of the data were met, broken or not to be told in the newest closed window."""

ML_PERFORMANCE_VALUE: Final = "ml.performance.value"
"""How well the model did in the newest closed window, measured on outcomes."""

ML_FAIRNESS_STATE: Final = "ml.fairness.state"
"""Whether groups of people are treated alike in the window that `ml.performance.value` describes; 1 for the state that holds."""

ML_PERFORMANCE_ESTIMATE: Final = "ml.performance.estimate"
"""How well the model does in the newest closed window, estimated without outcomes."""

ML_PERFORMANCE_ESTIMATE_STATE: Final = "ml.performance.estimate.state"
"""1 for the state of an estimate, which the attribute `state` names."""

ML_PERFORMANCE_REFERENCE: Final = "ml.performance.reference"
"""How well the model did on the baseline's rows, whose outcomes were known."""

ML_PERFORMANCE_LOW: Final = "ml.performance.low"
"""The lower end of the interval in which the metric's true value is, in 95 of 100 windows if nothing else is asked for."""

ML_PERFORMANCE_HIGH: Final = "ml.performance.high"
"""The upper end of the interval in which the metric's true value is."""

ML_PERFORMANCE_CHANGE_STATE: Final = "ml.performance.change.state"
"""Whether a metric of the newest window whose outcomes have had their time is worse than the baseline's, not worse, or cannot be told; 1 for the state that holds."""

ML_PERFORMANCE_OBJECTIVE_STATE: Final = "ml.performance.objective.state"
"""Whether an objective was met in the newest window whose outcomes have had their time, or cannot be told; 1 for the state that holds."""

ML_PERFORMANCE_OBJECTIVE_UNDECIDED: Final = "ml.performance.objective.undecided"
"""How many windows in a row, up to that one, could not tell whether an objective was met."""

ML_PERFORMANCE_OBJECTIVE_OVERDUE: Final = "ml.performance.objective.overdue"
"""1 where nobody could tell for so many windows in a row that somebody has to know (`alert_after`), else 0."""

ML_PERFORMANCE_OBJECTIVE_NEEDED: Final = "ml.performance.objective.needed"
"""How many rows in a window would tell, while nobody can; absent where that is not known."""

ML_PERFORMANCE_WINDOW_END: Final = "ml.performance.window.end"
"""The end of the window that `ml.performance.value` describes, in unix seconds."""

ML_VERSION_DIFFERENCE: Final = "ml.version.difference"
"""The mean loss of a version less that of its champion, over the stretch of time in which both predicted."""

ML_VERSION_DIFFERENCE_LOW: Final = "ml.version.difference.low"
"""The lower end of the interval of `ml.version.difference`."""

ML_VERSION_DIFFERENCE_HIGH: Final = "ml.version.difference.high"
"""The upper end of the interval of `ml.version.difference`."""

ML_VERSION_STATE: Final = "ml.version.state"
"""1 for what is known of a version beside its champion, which the attribute `state` names."""

ML_OUTCOME_COVERAGE: Final = "ml.outcome.coverage"
"""The share of the window's predictions whose outcome is known."""

ML_OUTCOME_DELAY: Final = "ml.outcome.delay"
"""How long after their predictions the known outcomes of the window came, by quantile."""

ML_OUTCOME_SLA_STATE: Final = "ml.outcome.sla.state"
"""1 for the state of what was agreed about the arrival of outcomes, which the attribute `state` names."""

DRIFTLINE_PREDICTIONS: Final = "driftline.predictions"
"""Predictions that the processor knows of any sender, each once, by class."""

ML_SERVICE_ERROR_RATE: Final = "ml.service.error.rate"
"""Share of the calls of the window that failed."""

ML_SERVICE_LATENCY: Final = "ml.service.latency"
"""How long the calls of the window took that returned, by quantile."""

DRIFTLINE_PREDICTION_FAILURES: Final = "driftline.prediction.failures"
"""Predictions whose call failed, by the class of the error; they are among `driftline.predictions`."""

DRIFTLINE_PREDICTION_DURATION: Final = "driftline.prediction.duration"
"""How long the predictions took that the processor knows."""

DRIFTLINE_RECORD_COMPLETENESS: Final = "driftline.record.completeness"
"""Rows that arrived, of the predictions that were counted, over the last hour and up to a day where they are few."""

DRIFTLINE_RECEIVED_REQUESTS: Final = "driftline.received.requests"
"""OTLP requests that were acknowledged."""

DRIFTLINE_RECEIVED_ROWS: Final = "driftline.received.rows"
"""Prediction and outcome rows that were kept."""

DRIFTLINE_REJECTED_ROWS: Final = "driftline.rejected.rows"
"""Spans, rows, outcomes and columns that could not be used."""

DRIFTLINE_LIMITED_ROWS: Final = "driftline.limited.rows"
"""Rows, outcomes and baselines beyond a limit on names. Of models they are not kept; else they are kept as "other"."""

DRIFTLINE_OUTCOMES_JOINED: Final = "driftline.outcomes.joined"
"""Outcomes that found their prediction."""

DRIFTLINE_OUTCOMES_PENDING: Final = "driftline.outcomes.pending"
"""Outcomes that wait for their prediction."""

DRIFTLINE_OUTCOMES_PENDING_AGE: Final = "driftline.outcomes.pending.age"
"""How long the oldest outcome that waits for its prediction has waited; 0 where none does."""

DRIFTLINE_EVALUATION_LAG: Final = "driftline.evaluation.lag"
"""How long the window of a length that waits longest has been due to be evaluated; 0 where none is. Past windows, as of a backfill, are left out."""

DRIFTLINE_JUDGING_PROCESSES: Final = "driftline.judging.processes"
"""Processes that judge windows beside the processor. They are started when there is much to judge, and end when there is little."""

DRIFTLINE_JUDGING_PROCESSES_CPU: Final = "driftline.judging.processes.cpu"
"""CPU time that these processes have used to judge windows."""

DRIFTLINE_JUDGING_PROCESSES_LOST: Final = "driftline.judging.processes.lost"
"""Processes that were killed, hung or could not be started. Their windows were judged in the processor itself."""

DRIFTLINE_WINDOWS_PENDING: Final = "driftline.windows.pending"
"""Windows that are due to be evaluated, past ones too; what is shown of them is older than their rows."""

DRIFTLINE_WINDOWS_PENDING_AGE: Final = "driftline.windows.pending.age"
"""How long the window that waits longest has waited to be evaluated; 0 where none does."""

DRIFTLINE_OUTCOME_SPANS_SKIPPED: Final = "driftline.outcome.spans.skipped"
"""Outcomes of sampled predictions that got no span, because more came in a second than spans are made."""

DRIFTLINE_LOG_SIZE: Final = "driftline.log.size"
"""Bytes of the log of accepted requests, in its files."""

DRIFTLINE_LOG_DAMAGED: Final = "driftline.log.damaged"
"""Bytes of the log that could not be read, and were passed over."""

DRIFTLINE_ANALYSIS_QUEUE_SIZE: Final = "driftline.analysis.queue.size"
"""Bytes of accepted requests that wait to be decoded and stored."""

DRIFTLINE_FORWARD_QUEUE_SIZE: Final = "driftline.forward.queue.size"
"""Bytes that wait to be forwarded."""

DRIFTLINE_FORWARD_SENT: Final = "driftline.forward.sent"
"""Requests that the destination acknowledged."""

DRIFTLINE_FORWARD_DROPPED: Final = "driftline.forward.dropped"
"""Requests that were dropped, since the destination was further behind than the log reaches back."""

DRIFTLINE_FORWARD_FAILED: Final = "driftline.forward.failed"
"""Requests that the destination refused for good, or that retries could not deliver."""

DRIFTLINE_SDK_DROPPED_ROWS: Final = "driftline.sdk.dropped.rows"
"""Rows that the SDK dropped because its buffer was full, or that the receiver did not take, by reason."""

DRIFTLINE_SDK_FAULTS: Final = "driftline.sdk.faults"
"""Errors inside the SDK, which the host program never sees."""

DRIFTLINE_SDK_UNRECORDED: Final = "driftline.sdk.unrecorded"
"""Predictions of which the SDK could not record the features or the result."""

DRIFTLINE_SDK_UNUSABLE_VALUES: Final = "driftline.sdk.unusable.values"
"""Values that are missing from their records because the SDK could not use them, by reason."""

UNITS: Final[Mapping[str, str]] = {
    ML_PREDICTIONS: "{prediction}",
    ML_OUTCOMES: "{outcome}",
    ML_PREDICTION_DURATION: "s",
    ML_PREDICTION_SCORE: "{score}",
    ML_TRAINING_RUNS: "{run}",
    ML_TRAINING_DURATION: "s",
    ML_TRAINING_CPU_TIME: "s",
    ML_TRAINING_MEMORY_PEAK: "By",
    ML_TRAINING_GPU_TIME: "s",
    ML_TRAINING_ENERGY: "J",
    ML_TRAINING_COST: "{currency}",
    ML_TRAINING_RESULT: "{result}",
    ML_FEATURE_VALUE: "{value}",
    ML_FEATURE_CATEGORIES: "{value}",
    ML_FEATURE_MISSING: "{value}",
    ML_DRIFT_VALUE: "{score}",
    ML_MODEL_INFO: "{model}",
    ML_MODEL_STATE: "{state}",
    ML_DRIFT_STATE: "{state}",
    ML_DRIFT_SHARE: "1",
    ML_DRIFT_INCIDENT: "{incident}",
    ML_QUALITY_FINDINGS: "{finding}",
    ML_QUALITY_EXPECTATIONS: "{expectation}",
    ML_PERFORMANCE_VALUE: "{score}",
    ML_FAIRNESS_STATE: "{state}",
    ML_PERFORMANCE_ESTIMATE: "{score}",
    ML_PERFORMANCE_ESTIMATE_STATE: "{state}",
    ML_PERFORMANCE_REFERENCE: "{score}",
    ML_PERFORMANCE_LOW: "{score}",
    ML_PERFORMANCE_HIGH: "{score}",
    ML_PERFORMANCE_CHANGE_STATE: "{state}",
    ML_PERFORMANCE_OBJECTIVE_STATE: "{state}",
    ML_PERFORMANCE_OBJECTIVE_UNDECIDED: "{window}",
    ML_PERFORMANCE_OBJECTIVE_OVERDUE: "{objective}",
    ML_PERFORMANCE_OBJECTIVE_NEEDED: "{row}",
    ML_PERFORMANCE_WINDOW_END: "s",
    ML_VERSION_DIFFERENCE: "{score}",
    ML_VERSION_DIFFERENCE_LOW: "{score}",
    ML_VERSION_DIFFERENCE_HIGH: "{score}",
    ML_VERSION_STATE: "{state}",
    ML_OUTCOME_COVERAGE: "1",
    ML_OUTCOME_DELAY: "s",
    ML_OUTCOME_SLA_STATE: "{state}",
    DRIFTLINE_PREDICTIONS: "{prediction}",
    ML_SERVICE_ERROR_RATE: "1",
    ML_SERVICE_LATENCY: "s",
    DRIFTLINE_PREDICTION_FAILURES: "{prediction}",
    DRIFTLINE_PREDICTION_DURATION: "s",
    DRIFTLINE_RECORD_COMPLETENESS: "1",
    DRIFTLINE_RECEIVED_REQUESTS: "{request}",
    DRIFTLINE_RECEIVED_ROWS: "{row}",
    DRIFTLINE_REJECTED_ROWS: "{row}",
    DRIFTLINE_LIMITED_ROWS: "{row}",
    DRIFTLINE_OUTCOMES_JOINED: "{outcome}",
    DRIFTLINE_OUTCOMES_PENDING: "{outcome}",
    DRIFTLINE_OUTCOMES_PENDING_AGE: "s",
    DRIFTLINE_EVALUATION_LAG: "s",
    DRIFTLINE_JUDGING_PROCESSES: "{process}",
    DRIFTLINE_JUDGING_PROCESSES_CPU: "s",
    DRIFTLINE_JUDGING_PROCESSES_LOST: "{process}",
    DRIFTLINE_WINDOWS_PENDING: "{window}",
    DRIFTLINE_WINDOWS_PENDING_AGE: "s",
    DRIFTLINE_OUTCOME_SPANS_SKIPPED: "{span}",
    DRIFTLINE_LOG_SIZE: "By",
    DRIFTLINE_LOG_DAMAGED: "By",
    DRIFTLINE_ANALYSIS_QUEUE_SIZE: "By",
    DRIFTLINE_FORWARD_QUEUE_SIZE: "By",
    DRIFTLINE_FORWARD_SENT: "{request}",
    DRIFTLINE_FORWARD_DROPPED: "{request}",
    DRIFTLINE_FORWARD_FAILED: "{request}",
    DRIFTLINE_SDK_DROPPED_ROWS: "{row}",
    DRIFTLINE_SDK_FAULTS: "{fault}",
    DRIFTLINE_SDK_UNRECORDED: "{prediction}",
    DRIFTLINE_SDK_UNUSABLE_VALUES: "{value}",
}
"""Metric name → UCUM unit."""

INSTRUMENTS: Final[Mapping[str, str]] = {
    ML_PREDICTIONS: "counter",
    ML_OUTCOMES: "counter",
    ML_PREDICTION_DURATION: "histogram",
    ML_PREDICTION_SCORE: "histogram",
    ML_TRAINING_RUNS: "counter",
    ML_TRAINING_DURATION: "histogram",
    ML_TRAINING_CPU_TIME: "counter",
    ML_TRAINING_MEMORY_PEAK: "gauge",
    ML_TRAINING_GPU_TIME: "counter",
    ML_TRAINING_ENERGY: "counter",
    ML_TRAINING_COST: "counter",
    ML_TRAINING_RESULT: "gauge",
    ML_FEATURE_VALUE: "histogram",
    ML_FEATURE_CATEGORIES: "counter",
    ML_FEATURE_MISSING: "counter",
    ML_DRIFT_VALUE: "gauge",
    ML_MODEL_INFO: "gauge",
    ML_MODEL_STATE: "gauge",
    ML_DRIFT_STATE: "gauge",
    ML_DRIFT_SHARE: "gauge",
    ML_DRIFT_INCIDENT: "gauge",
    ML_QUALITY_FINDINGS: "gauge",
    ML_QUALITY_EXPECTATIONS: "gauge",
    ML_PERFORMANCE_VALUE: "gauge",
    ML_FAIRNESS_STATE: "gauge",
    ML_PERFORMANCE_ESTIMATE: "gauge",
    ML_PERFORMANCE_ESTIMATE_STATE: "gauge",
    ML_PERFORMANCE_REFERENCE: "gauge",
    ML_PERFORMANCE_LOW: "gauge",
    ML_PERFORMANCE_HIGH: "gauge",
    ML_PERFORMANCE_CHANGE_STATE: "gauge",
    ML_PERFORMANCE_OBJECTIVE_STATE: "gauge",
    ML_PERFORMANCE_OBJECTIVE_UNDECIDED: "gauge",
    ML_PERFORMANCE_OBJECTIVE_OVERDUE: "gauge",
    ML_PERFORMANCE_OBJECTIVE_NEEDED: "gauge",
    ML_PERFORMANCE_WINDOW_END: "gauge",
    ML_VERSION_DIFFERENCE: "gauge",
    ML_VERSION_DIFFERENCE_LOW: "gauge",
    ML_VERSION_DIFFERENCE_HIGH: "gauge",
    ML_VERSION_STATE: "gauge",
    ML_OUTCOME_COVERAGE: "gauge",
    ML_OUTCOME_DELAY: "gauge",
    ML_OUTCOME_SLA_STATE: "gauge",
    DRIFTLINE_PREDICTIONS: "counter",
    ML_SERVICE_ERROR_RATE: "gauge",
    ML_SERVICE_LATENCY: "gauge",
    DRIFTLINE_PREDICTION_FAILURES: "counter",
    DRIFTLINE_PREDICTION_DURATION: "histogram",
    DRIFTLINE_RECORD_COMPLETENESS: "gauge",
    DRIFTLINE_RECEIVED_REQUESTS: "counter",
    DRIFTLINE_RECEIVED_ROWS: "counter",
    DRIFTLINE_REJECTED_ROWS: "counter",
    DRIFTLINE_LIMITED_ROWS: "counter",
    DRIFTLINE_OUTCOMES_JOINED: "counter",
    DRIFTLINE_OUTCOMES_PENDING: "gauge",
    DRIFTLINE_OUTCOMES_PENDING_AGE: "gauge",
    DRIFTLINE_EVALUATION_LAG: "gauge",
    DRIFTLINE_JUDGING_PROCESSES: "gauge",
    DRIFTLINE_JUDGING_PROCESSES_CPU: "counter",
    DRIFTLINE_JUDGING_PROCESSES_LOST: "counter",
    DRIFTLINE_WINDOWS_PENDING: "gauge",
    DRIFTLINE_WINDOWS_PENDING_AGE: "gauge",
    DRIFTLINE_OUTCOME_SPANS_SKIPPED: "counter",
    DRIFTLINE_LOG_SIZE: "gauge",
    DRIFTLINE_LOG_DAMAGED: "counter",
    DRIFTLINE_ANALYSIS_QUEUE_SIZE: "gauge",
    DRIFTLINE_FORWARD_QUEUE_SIZE: "gauge",
    DRIFTLINE_FORWARD_SENT: "counter",
    DRIFTLINE_FORWARD_DROPPED: "counter",
    DRIFTLINE_FORWARD_FAILED: "counter",
    DRIFTLINE_SDK_DROPPED_ROWS: "counter",
    DRIFTLINE_SDK_FAULTS: "counter",
    DRIFTLINE_SDK_UNRECORDED: "counter",
    DRIFTLINE_SDK_UNUSABLE_VALUES: "counter",
}
"""Metric name → counter, gauge or histogram."""

DESCRIPTIONS: Final[Mapping[str, str]] = {
    ML_PREDICTIONS: "Predictions made, complete whatever the sampling.",
    ML_OUTCOMES: "Outcomes that found their prediction, and corrections of them.",
    ML_PREDICTION_DURATION: "How long predictions took.",
    ML_PREDICTION_SCORE: "What the model gave, as a distribution of the score of the positive class, the greatest of several scores, the value of a regression, or the first item's score.",
    ML_TRAINING_RUNS: "Training runs that ended, failed ones included.",
    ML_TRAINING_DURATION: "How long training runs took.",
    ML_TRAINING_CPU_TIME: "CPU seconds of training runs.",
    ML_TRAINING_MEMORY_PEAK: "The greatest resident memory of the last training run.",
    ML_TRAINING_GPU_TIME: "Seconds of GPUs that training runs held.",
    ML_TRAINING_ENERGY: "Joules that training runs took, where they are known.",
    ML_TRAINING_COST: "What training runs cost by their price sheets.",
    ML_TRAINING_RESULT: "A measure that the trainer took of the last model.",
    ML_FEATURE_VALUE: "The numbers of one feature, as a distribution.",
    ML_FEATURE_CATEGORIES: "The texts of one feature, by label; rare ones are `other`.",
    ML_FEATURE_MISSING: "Predictions without a usable value of one feature.",
    ML_DRIFT_VALUE: "How far the newest closed window is from the baseline, by one method.",
    ML_MODEL_INFO: "1 for each model that is known, with whose it is and how much depends on it.",
    ML_MODEL_STATE: "1 for the state of the model's verdict, whether it is still right.",
    ML_DRIFT_STATE: "1 for the state that the target is in.",
    ML_DRIFT_SHARE: "Drifted features of those that could be judged in the newest closed window, 0 to 1.",
    ML_DRIFT_INCIDENT: "1 while the drift of a target is an incident, as of the newest closed window, else 0.",
    ML_QUALITY_FINDINGS: "What one check found wrong with the data of the newest closed window, 0 where nothing.",
    ML_QUALITY_EXPECTATIONS: "How many expectations of the data were met, broken or not to be told in the newest closed window.",
    ML_PERFORMANCE_VALUE: "How well the model did in the newest closed window, measured on outcomes.",
    ML_FAIRNESS_STATE: "Whether groups of people are treated alike in the window that `ml.performance.value` describes; 1 for the state that holds.",
    ML_PERFORMANCE_ESTIMATE: "How well the model does in the newest closed window, estimated without outcomes.",
    ML_PERFORMANCE_ESTIMATE_STATE: "1 for the state of an estimate, which the attribute `state` names.",
    ML_PERFORMANCE_REFERENCE: "How well the model did on the baseline's rows, whose outcomes were known.",
    ML_PERFORMANCE_LOW: "The lower end of the interval in which the metric's true value is, in 95 of 100 windows if nothing else is asked for.",
    ML_PERFORMANCE_HIGH: "The upper end of the interval in which the metric's true value is.",
    ML_PERFORMANCE_CHANGE_STATE: "Whether a metric of the newest window whose outcomes have had their time is worse than the baseline's, not worse, or cannot be told; 1 for the state that holds.",
    ML_PERFORMANCE_OBJECTIVE_STATE: "Whether an objective was met in the newest window whose outcomes have had their time, or cannot be told; 1 for the state that holds.",
    ML_PERFORMANCE_OBJECTIVE_UNDECIDED: "How many windows in a row, up to that one, could not tell whether an objective was met.",
    ML_PERFORMANCE_OBJECTIVE_OVERDUE: "1 where nobody could tell for so many windows in a row that somebody has to know (`alert_after`), else 0.",
    ML_PERFORMANCE_OBJECTIVE_NEEDED: "How many rows in a window would tell, while nobody can; absent where that is not known.",
    ML_PERFORMANCE_WINDOW_END: "The end of the window that `ml.performance.value` describes, in unix seconds.",
    ML_VERSION_DIFFERENCE: "The mean loss of a version less that of its champion, over the stretch of time in which both predicted.",
    ML_VERSION_DIFFERENCE_LOW: "The lower end of the interval of `ml.version.difference`.",
    ML_VERSION_DIFFERENCE_HIGH: "The upper end of the interval of `ml.version.difference`.",
    ML_VERSION_STATE: "1 for what is known of a version beside its champion, which the attribute `state` names.",
    ML_OUTCOME_COVERAGE: "The share of the window's predictions whose outcome is known.",
    ML_OUTCOME_DELAY: "How long after their predictions the known outcomes of the window came, by quantile.",
    ML_OUTCOME_SLA_STATE: "1 for the state of what was agreed about the arrival of outcomes, which the attribute `state` names.",
    DRIFTLINE_PREDICTIONS: "Predictions that the processor knows of any sender, each once, by class.",
    ML_SERVICE_ERROR_RATE: "Share of the calls of the window that failed.",
    ML_SERVICE_LATENCY: "How long the calls of the window took that returned, by quantile.",
    DRIFTLINE_PREDICTION_FAILURES: "Predictions whose call failed, by the class of the error; they are among `driftline.predictions`.",
    DRIFTLINE_PREDICTION_DURATION: "How long the predictions took that the processor knows.",
    DRIFTLINE_RECORD_COMPLETENESS: "Rows that arrived, of the predictions that were counted, over the last hour and up to a day where they are few.",
    DRIFTLINE_RECEIVED_REQUESTS: "OTLP requests that were acknowledged.",
    DRIFTLINE_RECEIVED_ROWS: "Prediction and outcome rows that were kept.",
    DRIFTLINE_REJECTED_ROWS: "Spans, rows, outcomes and columns that could not be used.",
    DRIFTLINE_LIMITED_ROWS: 'Rows, outcomes and baselines beyond a limit on names. Of models they are not kept; else they are kept as "other".',
    DRIFTLINE_OUTCOMES_JOINED: "Outcomes that found their prediction.",
    DRIFTLINE_OUTCOMES_PENDING: "Outcomes that wait for their prediction.",
    DRIFTLINE_OUTCOMES_PENDING_AGE: "How long the oldest outcome that waits for its prediction has waited; 0 where none does.",
    DRIFTLINE_EVALUATION_LAG: "How long the window of a length that waits longest has been due to be evaluated; 0 where none is. Past windows, as of a backfill, are left out.",
    DRIFTLINE_JUDGING_PROCESSES: "Processes that judge windows beside the processor. They are started when there is much to judge, and end when there is little.",
    DRIFTLINE_JUDGING_PROCESSES_CPU: "CPU time that these processes have used to judge windows.",
    DRIFTLINE_JUDGING_PROCESSES_LOST: "Processes that were killed, hung or could not be started. Their windows were judged in the processor itself.",
    DRIFTLINE_WINDOWS_PENDING: "Windows that are due to be evaluated, past ones too; what is shown of them is older than their rows.",
    DRIFTLINE_WINDOWS_PENDING_AGE: "How long the window that waits longest has waited to be evaluated; 0 where none does.",
    DRIFTLINE_OUTCOME_SPANS_SKIPPED: "Outcomes of sampled predictions that got no span, because more came in a second than spans are made.",
    DRIFTLINE_LOG_SIZE: "Bytes of the log of accepted requests, in its files.",
    DRIFTLINE_LOG_DAMAGED: "Bytes of the log that could not be read, and were passed over.",
    DRIFTLINE_ANALYSIS_QUEUE_SIZE: "Bytes of accepted requests that wait to be decoded and stored.",
    DRIFTLINE_FORWARD_QUEUE_SIZE: "Bytes that wait to be forwarded.",
    DRIFTLINE_FORWARD_SENT: "Requests that the destination acknowledged.",
    DRIFTLINE_FORWARD_DROPPED: "Requests that were dropped, since the destination was further behind than the log reaches back.",
    DRIFTLINE_FORWARD_FAILED: "Requests that the destination refused for good, or that retries could not deliver.",
    DRIFTLINE_SDK_DROPPED_ROWS: "Rows that the SDK dropped because its buffer was full, or that the receiver did not take, by reason.",
    DRIFTLINE_SDK_FAULTS: "Errors inside the SDK, which the host program never sees.",
    DRIFTLINE_SDK_UNRECORDED: "Predictions of which the SDK could not record the features or the result.",
    DRIFTLINE_SDK_UNUSABLE_VALUES: "Values that are missing from their records because the SDK could not use them, by reason.",
}
"""Metric name → what it says, in a sentence."""

PROMETHEUS: Final[Mapping[str, str]] = {
    ML_PREDICTIONS: "ml_predictions_total",
    ML_OUTCOMES: "ml_outcomes_total",
    ML_PREDICTION_DURATION: "ml_prediction_duration_seconds",
    ML_PREDICTION_SCORE: "ml_prediction_score",
    ML_TRAINING_RUNS: "ml_training_runs_total",
    ML_TRAINING_DURATION: "ml_training_duration_seconds",
    ML_TRAINING_CPU_TIME: "ml_training_cpu_time_seconds_total",
    ML_TRAINING_MEMORY_PEAK: "ml_training_memory_peak_bytes",
    ML_TRAINING_GPU_TIME: "ml_training_gpu_time_seconds_total",
    ML_TRAINING_ENERGY: "ml_training_energy_joules_total",
    ML_TRAINING_COST: "ml_training_cost_total",
    ML_TRAINING_RESULT: "ml_training_result",
    ML_FEATURE_VALUE: "ml_feature_value",
    ML_FEATURE_CATEGORIES: "ml_feature_categories_total",
    ML_FEATURE_MISSING: "ml_feature_missing_total",
    ML_DRIFT_VALUE: "ml_drift_value",
    ML_MODEL_INFO: "ml_model_info",
    ML_MODEL_STATE: "ml_model_state",
    ML_DRIFT_STATE: "ml_drift_state",
    ML_DRIFT_SHARE: "ml_drift_share_ratio",
    ML_DRIFT_INCIDENT: "ml_drift_incident",
    ML_QUALITY_FINDINGS: "ml_quality_findings",
    ML_QUALITY_EXPECTATIONS: "ml_quality_expectations",
    ML_PERFORMANCE_VALUE: "ml_performance_value",
    ML_FAIRNESS_STATE: "ml_fairness_state",
    ML_PERFORMANCE_ESTIMATE: "ml_performance_estimate",
    ML_PERFORMANCE_ESTIMATE_STATE: "ml_performance_estimate_state",
    ML_PERFORMANCE_REFERENCE: "ml_performance_reference",
    ML_PERFORMANCE_LOW: "ml_performance_low",
    ML_PERFORMANCE_HIGH: "ml_performance_high",
    ML_PERFORMANCE_CHANGE_STATE: "ml_performance_change_state",
    ML_PERFORMANCE_OBJECTIVE_STATE: "ml_performance_objective_state",
    ML_PERFORMANCE_OBJECTIVE_UNDECIDED: "ml_performance_objective_undecided",
    ML_PERFORMANCE_OBJECTIVE_OVERDUE: "ml_performance_objective_overdue",
    ML_PERFORMANCE_OBJECTIVE_NEEDED: "ml_performance_objective_needed",
    ML_PERFORMANCE_WINDOW_END: "ml_performance_window_end_seconds",
    ML_VERSION_DIFFERENCE: "ml_version_difference",
    ML_VERSION_DIFFERENCE_LOW: "ml_version_difference_low",
    ML_VERSION_DIFFERENCE_HIGH: "ml_version_difference_high",
    ML_VERSION_STATE: "ml_version_state",
    ML_OUTCOME_COVERAGE: "ml_outcome_coverage_ratio",
    ML_OUTCOME_DELAY: "ml_outcome_delay_seconds",
    ML_OUTCOME_SLA_STATE: "ml_outcome_sla_state",
    DRIFTLINE_PREDICTIONS: "driftline_predictions_total",
    ML_SERVICE_ERROR_RATE: "ml_service_error_rate_ratio",
    ML_SERVICE_LATENCY: "ml_service_latency_seconds",
    DRIFTLINE_PREDICTION_FAILURES: "driftline_prediction_failures_total",
    DRIFTLINE_PREDICTION_DURATION: "driftline_prediction_duration_seconds",
    DRIFTLINE_RECORD_COMPLETENESS: "driftline_record_completeness_ratio",
    DRIFTLINE_RECEIVED_REQUESTS: "driftline_received_requests_total",
    DRIFTLINE_RECEIVED_ROWS: "driftline_received_rows_total",
    DRIFTLINE_REJECTED_ROWS: "driftline_rejected_rows_total",
    DRIFTLINE_LIMITED_ROWS: "driftline_limited_rows_total",
    DRIFTLINE_OUTCOMES_JOINED: "driftline_outcomes_joined_total",
    DRIFTLINE_OUTCOMES_PENDING: "driftline_outcomes_pending",
    DRIFTLINE_OUTCOMES_PENDING_AGE: "driftline_outcomes_pending_age_seconds",
    DRIFTLINE_EVALUATION_LAG: "driftline_evaluation_lag_seconds",
    DRIFTLINE_JUDGING_PROCESSES: "driftline_judging_processes",
    DRIFTLINE_JUDGING_PROCESSES_CPU: "driftline_judging_processes_cpu_seconds_total",
    DRIFTLINE_JUDGING_PROCESSES_LOST: "driftline_judging_processes_lost_total",
    DRIFTLINE_WINDOWS_PENDING: "driftline_windows_pending",
    DRIFTLINE_WINDOWS_PENDING_AGE: "driftline_windows_pending_age_seconds",
    DRIFTLINE_OUTCOME_SPANS_SKIPPED: "driftline_outcome_spans_skipped_total",
    DRIFTLINE_LOG_SIZE: "driftline_log_size_bytes",
    DRIFTLINE_LOG_DAMAGED: "driftline_log_damaged_bytes_total",
    DRIFTLINE_ANALYSIS_QUEUE_SIZE: "driftline_analysis_queue_size_bytes",
    DRIFTLINE_FORWARD_QUEUE_SIZE: "driftline_forward_queue_size_bytes",
    DRIFTLINE_FORWARD_SENT: "driftline_forward_sent_total",
    DRIFTLINE_FORWARD_DROPPED: "driftline_forward_dropped_total",
    DRIFTLINE_FORWARD_FAILED: "driftline_forward_failed_total",
    DRIFTLINE_SDK_DROPPED_ROWS: "driftline_sdk_dropped_rows_total",
    DRIFTLINE_SDK_FAULTS: "driftline_sdk_faults_total",
    DRIFTLINE_SDK_UNRECORDED: "driftline_sdk_unrecorded_total",
    DRIFTLINE_SDK_UNUSABLE_VALUES: "driftline_sdk_unusable_values_total",
}
"""Metric name → its name in Prometheus, scraped or received over OTLP."""
