"""Metric names, units, instruments. Generated from ``registry/`` by ``scripts/generate_semconv.py``; do not edit."""
# ruff: noqa: E501

from collections.abc import Mapping
from typing import Final, NamedTuple

ML_PREDICT_DURATION: Final = "ml.predict.duration"
"""The duration of calls of a model."""

ML_PREDICTIONS: Final = "ml.predictions"
"""The number of rows that the model was called with. It does not depend on the sampling of spans."""

DRIFTLINE_OUTCOMES: Final = "driftline.outcomes"
"""Outcomes that were joined with their prediction, and corrections of outcomes."""

DRIFTLINE_PREDICTION_SCORE: Final = "driftline.prediction.score"
"""The distribution of the results of the model. A result is the score of the positive class, the highest of several scores, the value of a regression, or the score of a ranking's first item."""

DRIFTLINE_TRAINING_RUNS: Final = "driftline.training.runs"
"""Training runs that ended, including failed runs."""

DRIFTLINE_TRAINING_DURATION: Final = "driftline.training.duration"
"""The duration of training runs."""

DRIFTLINE_TRAINING_CPU_TIME: Final = "driftline.training.cpu.time"
"""CPU seconds of training runs."""

DRIFTLINE_TRAINING_MEMORY_PEAK: Final = "driftline.training.memory.peak"
"""The peak resident memory of the last training run."""

DRIFTLINE_TRAINING_GPU_TIME: Final = "driftline.training.gpu.time"
"""GPU seconds that training runs allocated."""

DRIFTLINE_TRAINING_COST: Final = "driftline.training.cost"
"""The cost of training runs according to their price sheets."""

DRIFTLINE_TRAINING_RESULT_VALUE: Final = "driftline.training.result.value"
"""A result of the last training run, such as a validation loss."""

DRIFTLINE_DISTRIBUTION_ROWS: Final = "driftline.distribution.rows"
"""The number of rows of a model with `capture='none'`. Such a model exports rows only as distributions. Rows that a full buffer dropped are included."""

DRIFTLINE_FEATURE_DISTRIBUTION: Final = "driftline.feature.distribution"
"""The distribution of one numeric feature."""

DRIFTLINE_FEATURE_CATEGORIES: Final = "driftline.feature.categories"
"""The values of one categorical feature, by category. Rare categories are counted as `other`."""

DRIFTLINE_FEATURE_MISSING_VALUES: Final = "driftline.feature.missing.values"
"""Predictions without a usable value of one feature."""

DRIFTLINE_DRIFT_VALUE: Final = "driftline.drift.value"
"""The distance of the newest closed window from the baseline, by one method."""

DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE: Final = "driftline.drift.open_window.value"
"""The distance of the open window from the baseline, for the rows received so far."""

DRIFTLINE_MODEL_INFO: Final = "driftline.model.info"
"""The known models, each with its team and its tier. The value is always 1."""

DRIFTLINE_MODEL_STATUS: Final = "driftline.model.status"
"""The state of the model's verdict. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_DRIFT_STATUS: Final = "driftline.drift.status"
"""The drift state of the column. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_DRIFT_FRACTION: Final = "driftline.drift.fraction"
"""The fraction of drifted features among the features that could be evaluated in the newest closed window, from 0 to 1."""

DRIFTLINE_DRIFT_INCIDENT: Final = "driftline.drift.incident"
"""1 while the drift of a column is an incident (a lasting or severe problem) in the newest closed window, otherwise 0."""

DRIFTLINE_QUALITY_FINDINGS: Final = "driftline.quality.findings"
"""The number of findings of one data check in the newest closed window."""

DRIFTLINE_QUALITY_EXPECTATIONS: Final = "driftline.quality.expectations"
"""The number of data expectations that were met, broken or inconclusive in the newest closed window."""

DRIFTLINE_PERFORMANCE_VALUE: Final = "driftline.performance.value"
"""The performance of the model in the newest closed window, measured on outcomes."""

DRIFTLINE_FAIRNESS_STATUS: Final = "driftline.fairness.status"
"""Whether groups of people are treated equally in the window of `driftline.performance.value`. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_ESTIMATE_VALUE: Final = "driftline.estimate.value"
"""The performance of the model in the newest closed window, estimated without outcomes."""

DRIFTLINE_ESTIMATE_STATUS: Final = "driftline.estimate.status"
"""The state of an estimate. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_PERFORMANCE_REFERENCE: Final = "driftline.performance.reference"
"""The performance of the model on the rows of the baseline, whose outcomes are known."""

DRIFTLINE_PERFORMANCE_LOW: Final = "driftline.performance.low"
"""The lower end of the confidence interval of the metric, by default at the 95 % level."""

DRIFTLINE_PERFORMANCE_HIGH: Final = "driftline.performance.high"
"""The upper end of the confidence interval of the metric."""

DRIFTLINE_PERFORMANCE_STATUS: Final = "driftline.performance.status"
"""Whether a metric is worse than in the baseline, not worse, or inconclusive in the newest mature window (a window whose outcomes had time to arrive). The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_OBJECTIVE_STATUS: Final = "driftline.objective.status"
"""Whether an objective was met, broken or inconclusive in the newest mature window (a window whose outcomes had time to arrive). A newer window is used if no missing outcome can change the state of the objective. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS: Final = "driftline.objective.inconclusive_windows"
"""The number of consecutive windows, up to the window of `driftline.objective.status`, in which an objective was inconclusive."""

DRIFTLINE_OBJECTIVE_OVERDUE: Final = "driftline.objective.overdue"
"""1 if the objective has been inconclusive for `alert_after` or more windows in a row, otherwise 0."""

DRIFTLINE_OBJECTIVE_REQUIRED_ROWS: Final = "driftline.objective.required_rows"
"""The number of rows in a window that would make an inconclusive objective conclusive. The series is absent if this number is not known."""

DRIFTLINE_PERFORMANCE_WINDOW_END: Final = "driftline.performance.window.end"
"""The end of the window that `driftline.performance.value` describes, in unix seconds."""

DRIFTLINE_VERSION_DIFFERENCE: Final = "driftline.version.difference"
"""The mean loss of a version minus the mean loss of its champion, over the period in which both versions predicted."""

DRIFTLINE_VERSION_DIFFERENCE_LOW: Final = "driftline.version.difference_low"
"""The lower end of the interval of `driftline.version.difference`."""

DRIFTLINE_VERSION_DIFFERENCE_HIGH: Final = "driftline.version.difference_high"
"""The upper end of the interval of `driftline.version.difference`."""

DRIFTLINE_VERSION_STATUS: Final = "driftline.version.status"
"""The result of comparing a version with its champion. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_OUTCOME_COVERAGE: Final = "driftline.outcome.coverage"
"""The fraction of the predictions of the window whose outcome is known."""

DRIFTLINE_OUTCOME_DELAY: Final = "driftline.outcome.delay"
"""The delay between the predictions of the window and their outcomes, by quantile."""

DRIFTLINE_OUTCOME_SLA_STATUS: Final = "driftline.outcome.sla.status"
"""The state of the service level agreement on the delay of outcomes. The value is 1, and the attribute `driftline.state` is the current state."""

DRIFTLINE_PREDICTIONS: Final = "driftline.predictions"
"""Predictions that the processor received from all senders, by class. Each prediction is counted once."""

DRIFTLINE_SERVICE_ERROR_RATE: Final = "driftline.service.error_rate"
"""The fraction of the calls of the window that failed."""

DRIFTLINE_SERVICE_LATENCY: Final = "driftline.service.latency"
"""The duration of the successful calls of the window, by quantile."""

DRIFTLINE_PREDICTION_FAILURES: Final = "driftline.prediction.failures"
"""Predictions whose call failed, by the class of the error. They are included in `driftline.predictions`."""

DRIFTLINE_PREDICT_DURATION: Final = "driftline.predict.duration"
"""The duration of the predictions that the processor received."""

DRIFTLINE_RECORD_COMPLETENESS: Final = "driftline.record.completeness"
"""The fraction of the counted predictions whose rows arrived, over the last hour."""

DRIFTLINE_RECEIVED_REQUESTS: Final = "driftline.received.requests"
"""OTLP requests that were acknowledged."""

DRIFTLINE_RECEIVED_ROWS: Final = "driftline.received.rows"
"""Rows of predictions and outcomes that were stored."""

DRIFTLINE_REJECTED_ROWS: Final = "driftline.rejected.rows"
"""Spans, rows, outcomes and columns that could not be used."""

DRIFTLINE_LIMITED_ROWS: Final = "driftline.limited.rows"
"""Rows, outcomes and baselines beyond a limit on the number of names. Rows beyond the limit on models are not stored. Rows beyond the limits on versions, environments and memory are stored as "other". For features, it counts values, which are not used."""

DRIFTLINE_JOINED_OUTCOMES: Final = "driftline.joined.outcomes"
"""Outcomes that were joined with their prediction."""

DRIFTLINE_AUDIT_ENTRIES: Final = "driftline.audit.entries"
"""The sequence number of the last entry of the audit log. The number never decreases."""

DRIFTLINE_AUDIT_HEAD: Final = "driftline.audit.head"
"""The sequence number of the entry of the audit log that has the hash `driftline.audit.hash`. The value is at most ten minutes old."""

DRIFTLINE_PENDING_OUTCOMES: Final = "driftline.pending.outcomes"
"""Outcomes that wait for their prediction."""

DRIFTLINE_PENDING_OUTCOME_AGE: Final = "driftline.pending.outcome.age"
"""The age of the oldest outcome that waits for its prediction. The value is 0 if no outcome waits."""

DRIFTLINE_EVALUATION_LAG: Final = "driftline.evaluation.lag"
"""For each window length, how long the oldest due window has waited for its evaluation. The value is 0 if no window is due. Past windows, such as the windows of a backfill, are excluded."""

DRIFTLINE_PENDING_WINDOWS: Final = "driftline.pending.windows"
"""Windows that are due to be evaluated, including past windows. The values that are shown for these windows do not include their newest rows yet."""

DRIFTLINE_PENDING_WINDOW_AGE: Final = "driftline.pending.window.age"
"""How long the oldest due window has waited for its evaluation. The value is 0 if no window waits."""

DRIFTLINE_SKIPPED_OUTCOME_SPANS: Final = "driftline.skipped.outcome_spans"
"""Outcomes of sampled predictions for which no span was sent, because more outcomes arrived per second than the limit on spans allows."""

DRIFTLINE_READY: Final = "driftline.ready"
"""1 while the processor accepts data, otherwise 0. `/readyz` gives the same answer."""

DRIFTLINE_PROBLEMS: Final = "driftline.problems"
"""The current problems of the processor, with the names that `/readyz` lists. The value is always 1. A problem that has ended has no series."""

DRIFTLINE_CONFIG_RELOAD_SUCCESS: Final = "driftline.config.reload.success"
"""1 if the last reload of the configuration succeeded, or if there was no reload. 0 if the last reload failed. The previous configuration is then still in use."""

DRIFTLINE_CONFIG_RELOAD_TIME: Final = "driftline.config.reload.time"
"""The time at which the configuration in use was loaded, in unix seconds."""

DRIFTLINE_LOG_SIZE: Final = "driftline.log.size"
"""The size of the files of the log of accepted requests."""

DRIFTLINE_LOG_DAMAGED: Final = "driftline.log.damaged"
"""Bytes of the log that could not be read and were skipped."""

DRIFTLINE_ANALYSIS_QUEUE_SIZE: Final = "driftline.analysis.queue.size"
"""Bytes of accepted requests that wait to be decoded and stored."""

DRIFTLINE_FORWARD_QUEUE_SIZE: Final = "driftline.forward.queue.size"
"""Bytes that wait to be forwarded."""

DRIFTLINE_FORWARD_SENT_REQUESTS: Final = "driftline.forward.sent.requests"
"""Requests that the destination acknowledged."""

DRIFTLINE_FORWARD_DROPPED_REQUESTS: Final = "driftline.forward.dropped.requests"
"""Requests that were dropped because the destination lagged so far behind that the log no longer contained them."""

DRIFTLINE_FORWARD_FAILED_REQUESTS: Final = "driftline.forward.failed.requests"
"""Requests that the destination refused permanently, or that could not be delivered by retries."""

DRIFTLINE_FORWARD_REJECTED_RECORDS: Final = "driftline.forward.rejected.records"
"""Spans, data points and log records that the destination rejected from requests that it accepted (partial success of OTLP)."""

DRIFTLINE_SDK_DROPPED_ROWS: Final = "driftline.sdk.dropped.rows"
"""Rows that the SDK dropped because its buffer was full, or that the receiver did not accept, by reason."""

DRIFTLINE_SDK_FAULTS: Final = "driftline.sdk.faults"
"""Errors inside the SDK, which are never raised in the host program."""

DRIFTLINE_SDK_UNRECORDED_PREDICTIONS: Final = "driftline.sdk.unrecorded.predictions"
"""Predictions whose features or result the SDK could not record."""

DRIFTLINE_SDK_UNUSABLE_VALUES: Final = "driftline.sdk.unusable.values"
"""Values that are missing from their records, and outcomes, that the SDK could not use, by reason."""


class Instrument(NamedTuple):
    """The instrument of a metric.

    Attributes:
        kind: "counter", "updowncounter", "gauge" or "histogram".
        unit: UCUM unit.
        prometheus: Name in Prometheus, scraped or received over OTLP.
    """

    kind: str
    unit: str
    prometheus: str


INSTRUMENTS: Final[Mapping[str, Instrument]] = {
    ML_PREDICT_DURATION: Instrument("histogram", "s", "ml_predict_duration_seconds"),
    ML_PREDICTIONS: Instrument("counter", "{prediction}", "ml_predictions_total"),
    DRIFTLINE_OUTCOMES: Instrument("counter", "{outcome}", "driftline_outcomes_total"),
    DRIFTLINE_PREDICTION_SCORE: Instrument("histogram", "{score}", "driftline_prediction_score"),
    DRIFTLINE_TRAINING_RUNS: Instrument("counter", "{run}", "driftline_training_runs_total"),
    DRIFTLINE_TRAINING_DURATION: Instrument("histogram", "s", "driftline_training_duration_seconds"),
    DRIFTLINE_TRAINING_CPU_TIME: Instrument("counter", "s", "driftline_training_cpu_time_seconds_total"),
    DRIFTLINE_TRAINING_MEMORY_PEAK: Instrument("gauge", "By", "driftline_training_memory_peak_bytes"),
    DRIFTLINE_TRAINING_GPU_TIME: Instrument("counter", "s", "driftline_training_gpu_time_seconds_total"),
    DRIFTLINE_TRAINING_COST: Instrument("counter", "{currency}", "driftline_training_cost_total"),
    DRIFTLINE_TRAINING_RESULT_VALUE: Instrument("gauge", "{result}", "driftline_training_result_value"),
    DRIFTLINE_DISTRIBUTION_ROWS: Instrument("counter", "{row}", "driftline_distribution_rows_total"),
    DRIFTLINE_FEATURE_DISTRIBUTION: Instrument("histogram", "{value}", "driftline_feature_distribution"),
    DRIFTLINE_FEATURE_CATEGORIES: Instrument("counter", "{value}", "driftline_feature_categories_total"),
    DRIFTLINE_FEATURE_MISSING_VALUES: Instrument("counter", "{value}", "driftline_feature_missing_values_total"),
    DRIFTLINE_DRIFT_VALUE: Instrument("gauge", "{score}", "driftline_drift_value"),
    DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE: Instrument("gauge", "{score}", "driftline_drift_open_window_value"),
    DRIFTLINE_MODEL_INFO: Instrument("gauge", "{model}", "driftline_model_info"),
    DRIFTLINE_MODEL_STATUS: Instrument("updowncounter", "1", "driftline_model_status"),
    DRIFTLINE_DRIFT_STATUS: Instrument("updowncounter", "1", "driftline_drift_status"),
    DRIFTLINE_DRIFT_FRACTION: Instrument("gauge", "1", "driftline_drift_fraction_ratio"),
    DRIFTLINE_DRIFT_INCIDENT: Instrument("gauge", "{incident}", "driftline_drift_incident"),
    DRIFTLINE_QUALITY_FINDINGS: Instrument("gauge", "{finding}", "driftline_quality_findings"),
    DRIFTLINE_QUALITY_EXPECTATIONS: Instrument("gauge", "{expectation}", "driftline_quality_expectations"),
    DRIFTLINE_PERFORMANCE_VALUE: Instrument("gauge", "{score}", "driftline_performance_value"),
    DRIFTLINE_FAIRNESS_STATUS: Instrument("updowncounter", "1", "driftline_fairness_status"),
    DRIFTLINE_ESTIMATE_VALUE: Instrument("gauge", "{score}", "driftline_estimate_value"),
    DRIFTLINE_ESTIMATE_STATUS: Instrument("updowncounter", "1", "driftline_estimate_status"),
    DRIFTLINE_PERFORMANCE_REFERENCE: Instrument("gauge", "{score}", "driftline_performance_reference"),
    DRIFTLINE_PERFORMANCE_LOW: Instrument("gauge", "{score}", "driftline_performance_low"),
    DRIFTLINE_PERFORMANCE_HIGH: Instrument("gauge", "{score}", "driftline_performance_high"),
    DRIFTLINE_PERFORMANCE_STATUS: Instrument("updowncounter", "1", "driftline_performance_status"),
    DRIFTLINE_OBJECTIVE_STATUS: Instrument("updowncounter", "1", "driftline_objective_status"),
    DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS: Instrument(
        "gauge", "{window}", "driftline_objective_inconclusive_windows"
    ),
    DRIFTLINE_OBJECTIVE_OVERDUE: Instrument("gauge", "{objective}", "driftline_objective_overdue"),
    DRIFTLINE_OBJECTIVE_REQUIRED_ROWS: Instrument("gauge", "{row}", "driftline_objective_required_rows"),
    DRIFTLINE_PERFORMANCE_WINDOW_END: Instrument("gauge", "s", "driftline_performance_window_end_seconds"),
    DRIFTLINE_VERSION_DIFFERENCE: Instrument("gauge", "{score}", "driftline_version_difference"),
    DRIFTLINE_VERSION_DIFFERENCE_LOW: Instrument("gauge", "{score}", "driftline_version_difference_low"),
    DRIFTLINE_VERSION_DIFFERENCE_HIGH: Instrument("gauge", "{score}", "driftline_version_difference_high"),
    DRIFTLINE_VERSION_STATUS: Instrument("updowncounter", "1", "driftline_version_status"),
    DRIFTLINE_OUTCOME_COVERAGE: Instrument("gauge", "1", "driftline_outcome_coverage_ratio"),
    DRIFTLINE_OUTCOME_DELAY: Instrument("gauge", "s", "driftline_outcome_delay_seconds"),
    DRIFTLINE_OUTCOME_SLA_STATUS: Instrument("updowncounter", "1", "driftline_outcome_sla_status"),
    DRIFTLINE_PREDICTIONS: Instrument("counter", "{prediction}", "driftline_predictions_total"),
    DRIFTLINE_SERVICE_ERROR_RATE: Instrument("gauge", "1", "driftline_service_error_rate_ratio"),
    DRIFTLINE_SERVICE_LATENCY: Instrument("gauge", "s", "driftline_service_latency_seconds"),
    DRIFTLINE_PREDICTION_FAILURES: Instrument("counter", "{prediction}", "driftline_prediction_failures_total"),
    DRIFTLINE_PREDICT_DURATION: Instrument("histogram", "s", "driftline_predict_duration_seconds"),
    DRIFTLINE_RECORD_COMPLETENESS: Instrument("gauge", "1", "driftline_record_completeness_ratio"),
    DRIFTLINE_RECEIVED_REQUESTS: Instrument("counter", "{request}", "driftline_received_requests_total"),
    DRIFTLINE_RECEIVED_ROWS: Instrument("counter", "{row}", "driftline_received_rows_total"),
    DRIFTLINE_REJECTED_ROWS: Instrument("counter", "{row}", "driftline_rejected_rows_total"),
    DRIFTLINE_LIMITED_ROWS: Instrument("counter", "{row}", "driftline_limited_rows_total"),
    DRIFTLINE_JOINED_OUTCOMES: Instrument("counter", "{outcome}", "driftline_joined_outcomes_total"),
    DRIFTLINE_AUDIT_ENTRIES: Instrument("gauge", "{entry}", "driftline_audit_entries"),
    DRIFTLINE_AUDIT_HEAD: Instrument("gauge", "{entry}", "driftline_audit_head"),
    DRIFTLINE_PENDING_OUTCOMES: Instrument("gauge", "{outcome}", "driftline_pending_outcomes"),
    DRIFTLINE_PENDING_OUTCOME_AGE: Instrument("gauge", "s", "driftline_pending_outcome_age_seconds"),
    DRIFTLINE_EVALUATION_LAG: Instrument("gauge", "s", "driftline_evaluation_lag_seconds"),
    DRIFTLINE_PENDING_WINDOWS: Instrument("gauge", "{window}", "driftline_pending_windows"),
    DRIFTLINE_PENDING_WINDOW_AGE: Instrument("gauge", "s", "driftline_pending_window_age_seconds"),
    DRIFTLINE_SKIPPED_OUTCOME_SPANS: Instrument("counter", "{span}", "driftline_skipped_outcome_spans_total"),
    DRIFTLINE_READY: Instrument("gauge", "1", "driftline_ready_ratio"),
    DRIFTLINE_PROBLEMS: Instrument("gauge", "{problem}", "driftline_problems"),
    DRIFTLINE_CONFIG_RELOAD_SUCCESS: Instrument("gauge", "1", "driftline_config_reload_success_ratio"),
    DRIFTLINE_CONFIG_RELOAD_TIME: Instrument("gauge", "s", "driftline_config_reload_time_seconds"),
    DRIFTLINE_LOG_SIZE: Instrument("gauge", "By", "driftline_log_size_bytes"),
    DRIFTLINE_LOG_DAMAGED: Instrument("counter", "By", "driftline_log_damaged_bytes_total"),
    DRIFTLINE_ANALYSIS_QUEUE_SIZE: Instrument("gauge", "By", "driftline_analysis_queue_size_bytes"),
    DRIFTLINE_FORWARD_QUEUE_SIZE: Instrument("gauge", "By", "driftline_forward_queue_size_bytes"),
    DRIFTLINE_FORWARD_SENT_REQUESTS: Instrument("counter", "{request}", "driftline_forward_sent_requests_total"),
    DRIFTLINE_FORWARD_DROPPED_REQUESTS: Instrument("counter", "{request}", "driftline_forward_dropped_requests_total"),
    DRIFTLINE_FORWARD_FAILED_REQUESTS: Instrument("counter", "{request}", "driftline_forward_failed_requests_total"),
    DRIFTLINE_FORWARD_REJECTED_RECORDS: Instrument("counter", "{record}", "driftline_forward_rejected_records_total"),
    DRIFTLINE_SDK_DROPPED_ROWS: Instrument("counter", "{row}", "driftline_sdk_dropped_rows_total"),
    DRIFTLINE_SDK_FAULTS: Instrument("counter", "{fault}", "driftline_sdk_faults_total"),
    DRIFTLINE_SDK_UNRECORDED_PREDICTIONS: Instrument(
        "counter", "{prediction}", "driftline_sdk_unrecorded_predictions_total"
    ),
    DRIFTLINE_SDK_UNUSABLE_VALUES: Instrument("counter", "{value}", "driftline_sdk_unusable_values_total"),
}
"""Metric name → its instrument."""

DESCRIPTIONS: Final[Mapping[str, str]] = {
    ML_PREDICT_DURATION: "The duration of calls of a model.",
    ML_PREDICTIONS: "The number of rows that the model was called with. It does not depend on the sampling of spans.",
    DRIFTLINE_OUTCOMES: "Outcomes that were joined with their prediction, and corrections of outcomes.",
    DRIFTLINE_PREDICTION_SCORE: "The distribution of the results of the model. A result is the score of the positive class, the highest of several scores, the value of a regression, or the score of a ranking's first item.",
    DRIFTLINE_TRAINING_RUNS: "Training runs that ended, including failed runs.",
    DRIFTLINE_TRAINING_DURATION: "The duration of training runs.",
    DRIFTLINE_TRAINING_CPU_TIME: "CPU seconds of training runs.",
    DRIFTLINE_TRAINING_MEMORY_PEAK: "The peak resident memory of the last training run.",
    DRIFTLINE_TRAINING_GPU_TIME: "GPU seconds that training runs allocated.",
    DRIFTLINE_TRAINING_COST: "The cost of training runs according to their price sheets.",
    DRIFTLINE_TRAINING_RESULT_VALUE: "A result of the last training run, such as a validation loss.",
    DRIFTLINE_DISTRIBUTION_ROWS: "The number of rows of a model with `capture='none'`. Such a model exports rows only as distributions. Rows that a full buffer dropped are included.",
    DRIFTLINE_FEATURE_DISTRIBUTION: "The distribution of one numeric feature.",
    DRIFTLINE_FEATURE_CATEGORIES: "The values of one categorical feature, by category. Rare categories are counted as `other`.",
    DRIFTLINE_FEATURE_MISSING_VALUES: "Predictions without a usable value of one feature.",
    DRIFTLINE_DRIFT_VALUE: "The distance of the newest closed window from the baseline, by one method.",
    DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE: "The distance of the open window from the baseline, for the rows received so far.",
    DRIFTLINE_MODEL_INFO: "The known models, each with its team and its tier. The value is always 1.",
    DRIFTLINE_MODEL_STATUS: "The state of the model's verdict. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_DRIFT_STATUS: "The drift state of the column. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_DRIFT_FRACTION: "The fraction of drifted features among the features that could be evaluated in the newest closed window, from 0 to 1.",
    DRIFTLINE_DRIFT_INCIDENT: "1 while the drift of a column is an incident (a lasting or severe problem) in the newest closed window, otherwise 0.",
    DRIFTLINE_QUALITY_FINDINGS: "The number of findings of one data check in the newest closed window.",
    DRIFTLINE_QUALITY_EXPECTATIONS: "The number of data expectations that were met, broken or inconclusive in the newest closed window.",
    DRIFTLINE_PERFORMANCE_VALUE: "The performance of the model in the newest closed window, measured on outcomes.",
    DRIFTLINE_FAIRNESS_STATUS: "Whether groups of people are treated equally in the window of `driftline.performance.value`. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_ESTIMATE_VALUE: "The performance of the model in the newest closed window, estimated without outcomes.",
    DRIFTLINE_ESTIMATE_STATUS: "The state of an estimate. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_PERFORMANCE_REFERENCE: "The performance of the model on the rows of the baseline, whose outcomes are known.",
    DRIFTLINE_PERFORMANCE_LOW: "The lower end of the confidence interval of the metric, by default at the 95 % level.",
    DRIFTLINE_PERFORMANCE_HIGH: "The upper end of the confidence interval of the metric.",
    DRIFTLINE_PERFORMANCE_STATUS: "Whether a metric is worse than in the baseline, not worse, or inconclusive in the newest mature window (a window whose outcomes had time to arrive). The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_OBJECTIVE_STATUS: "Whether an objective was met, broken or inconclusive in the newest mature window (a window whose outcomes had time to arrive). A newer window is used if no missing outcome can change the state of the objective. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS: "The number of consecutive windows, up to the window of `driftline.objective.status`, in which an objective was inconclusive.",
    DRIFTLINE_OBJECTIVE_OVERDUE: "1 if the objective has been inconclusive for `alert_after` or more windows in a row, otherwise 0.",
    DRIFTLINE_OBJECTIVE_REQUIRED_ROWS: "The number of rows in a window that would make an inconclusive objective conclusive. The series is absent if this number is not known.",
    DRIFTLINE_PERFORMANCE_WINDOW_END: "The end of the window that `driftline.performance.value` describes, in unix seconds.",
    DRIFTLINE_VERSION_DIFFERENCE: "The mean loss of a version minus the mean loss of its champion, over the period in which both versions predicted.",
    DRIFTLINE_VERSION_DIFFERENCE_LOW: "The lower end of the interval of `driftline.version.difference`.",
    DRIFTLINE_VERSION_DIFFERENCE_HIGH: "The upper end of the interval of `driftline.version.difference`.",
    DRIFTLINE_VERSION_STATUS: "The result of comparing a version with its champion. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_OUTCOME_COVERAGE: "The fraction of the predictions of the window whose outcome is known.",
    DRIFTLINE_OUTCOME_DELAY: "The delay between the predictions of the window and their outcomes, by quantile.",
    DRIFTLINE_OUTCOME_SLA_STATUS: "The state of the service level agreement on the delay of outcomes. The value is 1, and the attribute `driftline.state` is the current state.",
    DRIFTLINE_PREDICTIONS: "Predictions that the processor received from all senders, by class. Each prediction is counted once.",
    DRIFTLINE_SERVICE_ERROR_RATE: "The fraction of the calls of the window that failed.",
    DRIFTLINE_SERVICE_LATENCY: "The duration of the successful calls of the window, by quantile.",
    DRIFTLINE_PREDICTION_FAILURES: "Predictions whose call failed, by the class of the error. They are included in `driftline.predictions`.",
    DRIFTLINE_PREDICT_DURATION: "The duration of the predictions that the processor received.",
    DRIFTLINE_RECORD_COMPLETENESS: "The fraction of the counted predictions whose rows arrived, over the last hour.",
    DRIFTLINE_RECEIVED_REQUESTS: "OTLP requests that were acknowledged.",
    DRIFTLINE_RECEIVED_ROWS: "Rows of predictions and outcomes that were stored.",
    DRIFTLINE_REJECTED_ROWS: "Spans, rows, outcomes and columns that could not be used.",
    DRIFTLINE_LIMITED_ROWS: 'Rows, outcomes and baselines beyond a limit on the number of names. Rows beyond the limit on models are not stored. Rows beyond the limits on versions, environments and memory are stored as "other". For features, it counts values, which are not used.',
    DRIFTLINE_JOINED_OUTCOMES: "Outcomes that were joined with their prediction.",
    DRIFTLINE_AUDIT_ENTRIES: "The sequence number of the last entry of the audit log. The number never decreases.",
    DRIFTLINE_AUDIT_HEAD: "The sequence number of the entry of the audit log that has the hash `driftline.audit.hash`. The value is at most ten minutes old.",
    DRIFTLINE_PENDING_OUTCOMES: "Outcomes that wait for their prediction.",
    DRIFTLINE_PENDING_OUTCOME_AGE: "The age of the oldest outcome that waits for its prediction. The value is 0 if no outcome waits.",
    DRIFTLINE_EVALUATION_LAG: "For each window length, how long the oldest due window has waited for its evaluation. The value is 0 if no window is due. Past windows, such as the windows of a backfill, are excluded.",
    DRIFTLINE_PENDING_WINDOWS: "Windows that are due to be evaluated, including past windows. The values that are shown for these windows do not include their newest rows yet.",
    DRIFTLINE_PENDING_WINDOW_AGE: "How long the oldest due window has waited for its evaluation. The value is 0 if no window waits.",
    DRIFTLINE_SKIPPED_OUTCOME_SPANS: "Outcomes of sampled predictions for which no span was sent, because more outcomes arrived per second than the limit on spans allows.",
    DRIFTLINE_READY: "1 while the processor accepts data, otherwise 0. `/readyz` gives the same answer.",
    DRIFTLINE_PROBLEMS: "The current problems of the processor, with the names that `/readyz` lists. The value is always 1. A problem that has ended has no series.",
    DRIFTLINE_CONFIG_RELOAD_SUCCESS: "1 if the last reload of the configuration succeeded, or if there was no reload. 0 if the last reload failed. The previous configuration is then still in use.",
    DRIFTLINE_CONFIG_RELOAD_TIME: "The time at which the configuration in use was loaded, in unix seconds.",
    DRIFTLINE_LOG_SIZE: "The size of the files of the log of accepted requests.",
    DRIFTLINE_LOG_DAMAGED: "Bytes of the log that could not be read and were skipped.",
    DRIFTLINE_ANALYSIS_QUEUE_SIZE: "Bytes of accepted requests that wait to be decoded and stored.",
    DRIFTLINE_FORWARD_QUEUE_SIZE: "Bytes that wait to be forwarded.",
    DRIFTLINE_FORWARD_SENT_REQUESTS: "Requests that the destination acknowledged.",
    DRIFTLINE_FORWARD_DROPPED_REQUESTS: "Requests that were dropped because the destination lagged so far behind that the log no longer contained them.",
    DRIFTLINE_FORWARD_FAILED_REQUESTS: "Requests that the destination refused permanently, or that could not be delivered by retries.",
    DRIFTLINE_FORWARD_REJECTED_RECORDS: "Spans, data points and log records that the destination rejected from requests that it accepted (partial success of OTLP).",
    DRIFTLINE_SDK_DROPPED_ROWS: "Rows that the SDK dropped because its buffer was full, or that the receiver did not accept, by reason.",
    DRIFTLINE_SDK_FAULTS: "Errors inside the SDK, which are never raised in the host program.",
    DRIFTLINE_SDK_UNRECORDED_PREDICTIONS: "Predictions whose features or result the SDK could not record.",
    DRIFTLINE_SDK_UNUSABLE_VALUES: "Values that are missing from their records, and outcomes, that the SDK could not use, by reason.",
}
"""Metric name → what it says, in a sentence."""
