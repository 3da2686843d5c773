"""What is refused when somebody gets or changes what they sign in with; pure."""

from shualian.core.refusals import Helper
from shualian.staff.model import kind

PASSKEY_REQUIRED = kind(
    "passkey_required",
    "管理员和监督员只能用通行密钥",
    "Administrators and supervisors use a passkey, not a password",
    "请添加通行密钥",
    "Register a passkey",
    Helper.SELF,
)

REFUSALS = (PASSKEY_REQUIRED,)
