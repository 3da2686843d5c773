"""What every subject of supervision shares: which side may ask."""

from shualian.core.refusals import Helper, KindsOf

supervision_kind = KindsOf("insurer", helper=Helper.CLERK).kind
"""Declares a kind of refusal of supervision; a clerk helps unless said otherwise."""

SUPERVISION_OTHER_SIDE = supervision_kind(
    "supervision_other_side",
    "这项操作要由另一方的人员办理",
    "This is for the staff of the other side",
    "抽查和预警归医保监管人员，现场说明和确认归医院人员",
    "Draws and alerts are for the insurer's supervisors, reasons and confirmations for the "
    "hospital's staff",
)
REFUSALS = (SUPERVISION_OTHER_SIDE,)
