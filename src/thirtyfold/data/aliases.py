"""Aliases: other names of known things: countries, states of the USA, months, days, yes and no, sexes."""

__all__ = ["KINDS"]

_COUNTRIES = """
United States|USA|US|U.S.|U.S.A.|United States of America|America;United Kingdom|UK|U.K.|Great Britain|GB|GBR
South Africa|ZA|RSA|ZAF;Germany|DE|DEU|Deutschland;France|FR|FRA;Spain|ES|ESP|España;Italy|IT|ITA|Italia
Netherlands|NL|NLD|The Netherlands|Holland;Belgium|BE|BEL;Switzerland|CH|CHE;Austria|AT|AUT;Portugal|PT|PRT
Ireland|IE|IRL;Sweden|SE|SWE;Norway|NO|NOR;Denmark|DK|DNK;Finland|FI|FIN;Poland|PL|POL
Czech Republic|CZ|CZE|Czechia;Greece|GR|GRC;Turkey|TR|TUR|Türkiye;Russia|RU|RUS|Russian Federation;Ukraine|UA|UKR
China|CN|CHN|PRC|People's Republic of China;Japan|JP|JPN;South Korea|KR|KOR|Korea, South|Republic of Korea
North Korea|KP|PRK;India|IN|IND;Pakistan|PK|PAK;Bangladesh|BD|BGD;Indonesia|ID|IDN;Vietnam|VN|VNM|Viet Nam
Thailand|TH|THA;Malaysia|MY|MYS;Singapore|SG|SGP;Philippines|PH|PHL|The Philippines;Australia|AU|AUS
New Zealand|NZ|NZL;Canada|CAN;Mexico|MX|MEX|México;Brazil|BR|BRA|Brasil;Argentina|AR|ARG;Chile|CL|CHL
Colombia|CO|COL;Peru|PE|PER|Perú;Egypt|EG|EGY;Nigeria|NG|NGA;Kenya|KE|KEN;Ghana|GH|GHA;Ethiopia|ET|ETH
Morocco|MA|MAR;Israel|IL|ISR;Saudi Arabia|SA|SAU|KSA;United Arab Emirates|AE|ARE|UAE|U.A.E.;Iran|IR|IRN
Namibia|NA|NAM;Botswana|BW|BWA;Zimbabwe|ZW|ZWE;Mozambique|MZ|MOZ;Côte d'Ivoire|CI|CIV|Ivory Coast
Democratic Republic of the Congo|CD|COD|DRC|DR Congo;Hungary|HU|HUN;Romania|RO|ROU;Bulgaria|BG|BGR;Croatia|HR|HRV
"""
_STATES = """
Alabama|AL;Alaska|AK;Arizona|AZ;Arkansas|AR;California|CA;Colorado|CO;Connecticut|CT;Delaware|DE
District of Columbia|DC|Washington DC|Washington, D.C.;Florida|FL;Georgia|GA;Hawaii|HI;Idaho|ID;Illinois|IL;Indiana|IN
Iowa|IA;Kansas|KS;Kentucky|KY;Louisiana|LA;Maine|ME;Maryland|MD;Massachusetts|MA;Michigan|MI;Minnesota|MN;Mississippi|MS
Missouri|MO;Montana|MT;Nebraska|NE;Nevada|NV;New Hampshire|NH;New Jersey|NJ;New Mexico|NM;New York|NY;North Carolina|NC
North Dakota|ND;Ohio|OH;Oklahoma|OK;Oregon|OR;Pennsylvania|PA;Rhode Island|RI;South Carolina|SC;South Dakota|SD
Tennessee|TN;Texas|TX;Utah|UT;Vermont|VT;Virginia|VA;Washington|WA;West Virginia|WV;Wisconsin|WI;Wyoming|WY
"""
_MONTHS = """
January|Jan;February|Feb;March|Mar;April|Apr;June|Jun;July|Jul;August|Aug;September|Sep|Sept;October|Oct
November|Nov;December|Dec;May
"""
_DAYS = """
Monday|Mon;Tuesday|Tue|Tues;Wednesday|Wed;Thursday|Thu|Thur|Thurs;Friday|Fri;Saturday|Sat;Sunday|Sun
"""
_YES = """
yes|y|yeah|yep;no|n|nope
"""
_SEXES = """
female|f|fem;male|m
"""


def _things(text: str) -> tuple[tuple[str, ...], ...]:
    lines = [line for line in text.strip().splitlines() if line]
    return tuple(tuple(names.split("|")) for line in lines for names in line.split(";"))


KINDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "country": _things(_COUNTRIES),
    "state of the USA": _things(_STATES),
    "month": _things(_MONTHS),
    "day": _things(_DAYS),
    "yes or no": _things(_YES),
    "sex": _things(_SEXES),
}
"""For each kind, the names of each thing (countries: common names, ISO 3166 alpha-2 and alpha-3; states: USPS)."""
