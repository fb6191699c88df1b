"""Google Sheets that teams keep: every tab is a stream with an owner and a header contract.

Why it is read this way: people sort and insert rows, so a tab is read whole and a row's number is no key; numbers are
read as they are shown, so that `007` stays `007`. A tab beyond these three is one more `_tab` entry.
Source: Google Sheets API v4, "Usage limits", and Drive API v3, "files.get".
"""

from __future__ import annotations

from catchment.http.auth import GoogleServiceAccount
from catchment.http.client import HttpApi
from catchment.http.limits import RateLimit
from catchment.reads.sheet_tab import SheetTab
from catchment.spec import SourceSpec, Stream
from catchment.times import MINUTE

SALES_PLANNING = "1SalesPlanningCatchment"
PRODUCT_FEATURES = "1ProductFeaturesCatchment"


def _tab(
    name: str,
    *,
    sheet: str,
    tab: str,
    owner: str,
    header: tuple[str, ...],
    key: tuple[str, ...],
    header_row: int = 1,
    personal: tuple[str, ...] = (),
    description: str,
) -> Stream:
    return Stream(
        name=name,
        key=key,
        read=SheetTab(spreadsheet_id=sheet, tab=tab, header=header, header_row=header_row),
        owner=owner,
        personal=personal,
        description=description,
    )


GOOGLE_SHEETS = SourceSpec(
    name="google_sheets",
    title="Google Sheets",
    api=HttpApi(
        base_url="https://sheets.googleapis.com",
        other_hosts={"drive/": "https://www.googleapis.com"},
        auth=GoogleServiceAccount(
            scopes=(
                "https://www.googleapis.com/auth/spreadsheets.readonly",
                "https://www.googleapis.com/auth/drive.metadata.readonly",
            )
        ),
        limits=(RateLimit(60, per=MINUTE),),
    ),
    streams=(
        _tab(
            "team_targets",
            sheet=SALES_PLANNING,
            tab="Targets",
            owner="sales",
            header=("month", "team", "metric", "target", "owner"),
            key=("month", "team", "metric"),
            description="Targets per month and team, as sales planning keeps them.",
        ),
        _tab(
            "account_owners",
            sheet=SALES_PLANNING,
            tab="Owners",
            owner="sales",
            header=("account_code", "account_id", "owner", "segment_override"),
            key=("account_code",),
            description="Who looks after which account, and where its segment is set by hand.",
        ),
        _tab(
            "feature_flags_by_segment",
            sheet=PRODUCT_FEATURES,
            tab="Features",
            owner="product",
            header=("feature", "segment", "since"),
            key=("feature", "segment"),
            description="Which account segments may use which feature, since when.",
        ),
    ),
)
