"""Every table that is simulated, in the order in which they are run."""

from __future__ import annotations

from simulations.alerts import CHANGED_FLEETS, QUIET_FLEETS, QUIET_RULES
from simulations.beside_days import BESIDE_DAYS
from simulations.case_mix import CASE_MIX
from simulations.concept_drift import CONCEPT
from simulations.constants import CONSTANTS
from simulations.cycles import CYCLES
from simulations.data_quality import QUALITY
from simulations.drift.features_together import MULTIVARIATE
from simulations.drift.lasting import LASTING
from simulations.drift.methods import METHODS
from simulations.drift.normal_variation import USUAL
from simulations.drift.short_references import SHORT
from simulations.drift.slices import SLICES
from simulations.drift.table import DRIFT
from simulations.estimate_intervals import ESTIMATES
from simulations.frame import Table
from simulations.group_fairness import GROUPS
from simulations.intervals import COVERAGE
from simulations.kinds_of_change import KINDS_OF_CHANGE
from simulations.label_age import FAST
from simulations.label_queue import LABELS
from simulations.mixed_worlds import MIXED
from simulations.objectives import OBJECTIVES
from simulations.outcome_order import OUTCOME_ORDER
from simulations.outcome_shift import OUTCOME_SHIFT
from simulations.retraining import RETRAINING
from simulations.second_faults import SECOND_FAULTS
from simulations.service_level import SERVICE
from simulations.silence import SILENCE
from simulations.slice_changes import SLICE_CHANGES
from simulations.slice_intervals import SLICED_DAYS
from simulations.topics import TOPICS_OF_TEXTS
from simulations.verdicts import CHANGED_LIVES, QUIET_LIVES
from simulations.versions import VERSIONS
from simulations.weak_slices import WEAK
from simulations.worse import WORSE

TABLES: tuple[Table, ...] = (
    *(DRIFT, SHORT, USUAL, SLICES, METHODS, MULTIVARIATE, LASTING, QUALITY, CONCEPT, VERSIONS),
    *(COVERAGE, OBJECTIVES, WORSE, SLICED_DAYS, WEAK, SLICE_CHANGES, LABELS, ESTIMATES, OUTCOME_SHIFT, OUTCOME_ORDER),
    *(FAST, SERVICE, CASE_MIX),
    *(KINDS_OF_CHANGE, SILENCE, CYCLES, TOPICS_OF_TEXTS, CONSTANTS, QUIET_LIVES, CHANGED_LIVES, BESIDE_DAYS),
    *(SECOND_FAULTS, MIXED, QUIET_FLEETS, CHANGED_FLEETS, QUIET_RULES, RETRAINING, GROUPS),
)
