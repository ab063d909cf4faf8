/* SPDX-License-Identifier: Apache-2.0 */
/* generator_claims.c - ExplanationOfBenefit in the five shapes CARIN Blue Button knows. Owns no state.
 *
 * Codes are those anybody may print: ICD-10, MS-DRG, HCPCS Level II, NDC-shaped numbers with a labeler that was never
 * given out (99999); CDT and revenue codes stand without their texts. Money is in cents until it is written. */
#include <stdio.h>

#include "payer/data/generator_text.h"

typedef enum claim_kind { INPATIENT, OUTPATIENT, PROFESSIONAL, PHARMACY, ORAL } claim_kind;

static const struct {
    const char *profile, *type, *subtype; /* subtype: institutional claims alone have one */
    int items_min, items_max;
} shapes[] = {
    [INPATIENT] = {"C4BB-ExplanationOfBenefit-Inpatient-Institutional", "institutional", "inpatient", 2, 6},
    [OUTPATIENT] = {"C4BB-ExplanationOfBenefit-Outpatient-Institutional", "institutional", "outpatient", 1, 4},
    [PROFESSIONAL] = {"C4BB-ExplanationOfBenefit-Professional-NonClinician", "professional", NULL, 1, 4},
    [PHARMACY] = {"C4BB-ExplanationOfBenefit-Pharmacy", "pharmacy", NULL, 1, 1},
    [ORAL] = {"C4BB-ExplanationOfBenefit-Oral", "oral", NULL, 1, 3},
};

static const gen_code diagnoses[] = {
    {"I10", "Essential (primary) hypertension"},
    {"E11.9", "Type 2 diabetes mellitus without complications"},
    {"E78.5", "Hyperlipidemia, unspecified"},
    {"J06.9", "Acute upper respiratory infection, unspecified"},
    {"M54.50", "Low back pain, unspecified"},
    {"N18.30", "Chronic kidney disease, stage 3 unspecified"},
    {"K21.9", "Gastro-esophageal reflux disease without esophagitis"},
    {"F41.1", "Generalized anxiety disorder"},
    {"J45.909", "Unspecified asthma, uncomplicated"},
    {"Z00.00", "Encounter for general adult medical examination without abnormal findings"},
    {"R07.9", "Chest pain, unspecified"},
    {"S93.401A", "Sprain of unspecified ligament of right ankle, initial encounter"},
};
static const gen_code drgs[] = {
    {"194", "Simple pneumonia and pleurisy with CC"},
    {"291", "Heart failure and shock with MCC"},
    {"392", "Esophagitis, gastroenteritis and miscellaneous digestive disorders without MCC"},
    {"470", "Major hip and knee joint replacement without MCC"},
    {"690", "Kidney and urinary tract infections without MCC"},
    {"871", "Septicemia or severe sepsis without MV >96 hours with MCC"}};
static const gen_code hcpcs[] = {{"G0438", "Annual wellness visit, initial"},
                                 {"G0439", "Annual wellness visit, subsequent"},
                                 {"G0008", "Administration of influenza virus vaccine"},
                                 {"G0103", "Prostate cancer screening; prostate specific antigen test"},
                                 {"G0463", "Hospital outpatient clinic visit for assessment and management"},
                                 {"G0283", "Electrical stimulation, other than wound care"},
                                 {"J1100", "Injection, dexamethasone sodium phosphate, 1 mg"},
                                 {"J3420", "Injection, vitamin B-12 cyanocobalamin, up to 1000 mcg"},
                                 {"A4253", "Blood glucose test strips, per 50 strips"},
                                 {"Q0091", "Screening Papanicolaou smear"}};
static const gen_code drugs[] = {
    {"99999-0101-30", "Metformin 500 mg tablet"},   {"99999-0102-30", "Lisinopril 10 mg tablet"},
    {"99999-0103-90", "Atorvastatin 20 mg tablet"}, {"99999-0104-01", "Albuterol 90 mcg inhaler"},
    {"99999-0105-30", "Sertraline 50 mg tablet"},   {"99999-0106-30", "Omeprazole 20 mg capsule"}};
static const char *const cdt[] = {"D0120", "D0220", "D1110", "D2391", "D2740", "D7140"};
static const char *const revenue[] = {"0120", "0250", "0300", "0320", "0450", "0636"};
static const gen_code places[] = {
    {"11", "Office"}, {"22", "On Campus-Outpatient Hospital"}, {"81", "Independent Laboratory"}};

#define C4BB       "http://hl7.org/fhir/us/carin-bb/CodeSystem/"
#define HL7        "http://terminology.hl7.org/CodeSystem/"
#define CODE(s, c) "{'coding':[{'system':'" s "','code':'" c "'}]}"

/* One line's money, and the claim's. */
typedef struct money {
    uint64_t submitted, allowed, deductible, coinsurance, paid;
} money;

typedef struct claim {
    claim_kind kind;
    char id[48];
    const char *member;
    int64_t from, to, paid_on; /* days since 1970 */
    unsigned practitioner, organization;
    money total;
} claim;

static claim_kind draw_kind(gen *g)
{
    uint64_t n = gen_below(g, 100);
    return n < 45 ? PROFESSIONAL : n < 75 ? PHARMACY : n < 87 ? OUTPATIENT : n < 95 ? ORAL : INPATIENT;
}

static money draw_money(gen *g, claim_kind kind)
{
    static const int64_t highest[] = {
        [INPATIENT] = 1200000, [OUTPATIENT] = 180000, [PROFESSIONAL] = 42000, [PHARMACY] = 30000, [ORAL] = 90000};
    money m = {.submitted = (uint64_t)gen_between(g, 1200, highest[kind])};
    m.allowed = m.submitted * (45 + gen_below(g, 50)) / 100;
    m.deductible = gen_below(g, 4) == 0 ? m.allowed / 10 : 0;
    m.coinsurance = (m.allowed - m.deductible) / 5;
    m.paid = m.allowed - m.deductible - m.coinsurance;
    return m;
}

static void put_amount(gen *g, const char *system, const char *category, uint64_t cents, bool first)
{
    gen_put(g, "%s{'category':{'coding':[{'system':'%s','code':'%s'}]},'amount':{'value':%llu.%02u,'currency':'USD'}}",
            first ? "" : ",", system, category, (unsigned long long)(cents / 100), (unsigned)(cents % 100));
}

static void put_amounts(gen *g, const money *m)
{
    put_amount(g, HL7 "adjudication", "submitted", m->submitted, true);
    put_amount(g, HL7 "adjudication", "eligible", m->allowed, false);
    put_amount(g, HL7 "adjudication", "deductible", m->deductible, false);
    put_amount(g, C4BB "C4BBAdjudication", "coinsurance", m->coinsurance, false);
    put_amount(g, HL7 "adjudication", "benefit", m->paid, false);
    put_amount(g, C4BB "C4BBAdjudication", "memberliability", m->deductible + m->coinsurance, false);
}

static void put_parties(gen *g, const claim *c)
{
    char from[GEN_DATE_SIZE], to[GEN_DATE_SIZE], created[GEN_DATE_SIZE];
    gen_put(g,
            "'identifier':[{'type':" CODE(C4BB "C4BBIdentifierType",
                                          "uc") ",'system':'https://payer.example/claim-id',"
                                                "'value':'%s'}],'status':'active','type':{'coding':[{'system':'" HL7
                                                "claim-type','code':'%s'}]},",
            c->id, shapes[c->kind].type);
    if (shapes[c->kind].subtype)
        gen_put(g, "'subType':{'coding':[{'system':'" C4BB "C4BBInstitutionalClaimSubType','code':'%s'}]},",
                shapes[c->kind].subtype);
    gen_put(g,
            "'use':'claim','patient':{'reference':'Patient/%s'},'billablePeriod':{'start':'%s','end':'%s'},"
            "'created':'%s','insurer':{'reference':'Organization/payer'},",
            c->member, gen_date(c->from, from), gen_date(c->to, to), gen_date(c->paid_on - 2, created));
    gen_put(g,
            c->kind == PHARMACY ? "'provider':{'reference':'Organization/ph%02u'},"
                                : "'provider':{'reference':'Organization/hosp%02u'},",
            c->organization);
    gen_put(g,
            "'payee':{'type':" CODE(
                HL7 "payeetype",
                "provider") "},'outcome':'complete','careTeam':[{'sequence':1,"
                            "'provider':{'reference':'Practitioner/"
                            "dr%02u'},'responsible':true,'role':{'coding':[{'system':'%s','code':'%s'}]}}],",
            c->practitioner, c->kind == PHARMACY ? C4BB "C4BBClaimCareTeamRole" : HL7 "claimcareteamrole",
            c->kind == PHARMACY ? "prescribing" : "primary");
}

static void put_info_code(gen *g, unsigned sequence, const char *category, const char *system, const gen_code *code)
{
    gen_put(g,
            ",{'sequence':%u,'category':{'coding':[{'system':'" C4BB "C4BBSupportingInfoType','code':'%s'}]},"
            "'code':{'coding':[{'system':'%s','code':'%s','display':'%s'}]}}",
            sequence, category, system, code->code, code->display);
}

static void put_supporting_info(gen *g, const claim *c)
{
    static const gen_code admission = {"1", "Emergency"}, home = {"01", "Discharged to home or self care"},
                          bill_in = {"111", "Hospital inpatient"}, bill_out = {"131", "Hospital outpatient"},
                          dispensed = {"0", "No product selection indicated"};
    char date[GEN_DATE_SIZE];
    gen_put(g,
            "'supportingInfo':[{'sequence':1,'category':" CODE(C4BB "C4BBSupportingInfoType",
                                                               "clmrecvddate") ","
                                                                               "'timingDate':'%s'}",
            gen_date(c->paid_on - 2, date));
    if (c->kind == INPATIENT) {
        put_info_code(g, 2, "admtype", "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit", &admission);
        put_info_code(g, 3, "drg",
                      "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/"
                      "MS-DRG-Classifications-and-Software",
                      gen_pick(g, drgs));
        put_info_code(g, 4, "discharge-status", "https://www.nubc.org/CodeSystem/PatDischargeStatus", &home);
    }
    if (c->kind == INPATIENT || c->kind == OUTPATIENT)
        put_info_code(g, 5, "typeofbill", "https://www.nubc.org/CodeSystem/TypeOfBill",
                      c->kind == INPATIENT ? &bill_in : &bill_out);
    if (c->kind == PHARMACY) {
        unsigned days = gen_below(g, 2) ? 30 : 90;
        put_info_code(g, 2, "dawcode",
                      "http://terminology.hl7.org/CodeSystem/NCPDPDispensedAsWrittenOrProductSelectionCode",
                      &dispensed);
        gen_put(g,
                ",{'sequence':3,'category':" CODE(C4BB "C4BBSupportingInfoType",
                                                  "dayssupply") ",'valueQuantity':"
                                                                "{'value':%u}},{'sequence':4,'category':" CODE(
                                                                    C4BB "C4BBSupportingInfoType",
                                                                    "refillnum") ","
                                                                                 "'valueQuantity':{'value':%u}}",
                days, (unsigned)gen_below(g, 6));
    }
    gen_put(g, "],");
}

static void put_diagnoses(gen *g, const claim *c)
{
    if (c->kind == PHARMACY)
        return; /* a pharmacy's claim carries none */
    unsigned count = (unsigned)gen_between(g, 1, c->kind == INPATIENT ? 5 : 2);
    gen_put(g, "'diagnosis':[");
    for (unsigned i = 1; i <= count; i++) {
        const gen_code *code = gen_pick(g, diagnoses);
        gen_put(g,
                "%s{'sequence':%u,'diagnosisCodeableConcept':{'coding':[{'system':'http://hl7.org/fhir/sid/icd-10-cm',"
                "'code':'%s','display':'%s'}]},'type':[{'coding':[{'system':'%s','code':'%s'}]}]}",
                i == 1 ? "" : ",", i, code->code, code->display,
                i == 1 ? HL7 "ex-diagnosistype" : C4BB "C4BBClaimDiagnosisType", i == 1 ? "principal" : "secondary");
    }
    gen_put(g, "],");
}

static void put_service(gen *g, claim_kind kind)
{
    const gen_code *code;
    if (kind == INPATIENT || kind == OUTPATIENT)
        gen_put(g, "'revenue':{'coding':[{'system':'https://www.nubc.org/CodeSystem/RevenueCodes','code':'%s'}]},",
                *gen_pick(g, revenue));
    switch (kind) {
    case PHARMACY:
        code = gen_pick(g, drugs);
        gen_put(g, "'productOrService':{'coding':[{'system':'http://hl7.org/fhir/sid/ndc','code':'%s'}],'text':'%s'},",
                code->code, code->display);
        return;
    case ORAL:
        gen_put(g, "'productOrService':{'coding':[{'system':'http://www.ada.org/cdt','code':'%s'}]},",
                *gen_pick(g, cdt));
        return;
    case INPATIENT:
    case OUTPATIENT:
    case PROFESSIONAL:
        code = gen_pick(g, hcpcs);
        gen_put(g,
                "'productOrService':{'coding':[{'system':'http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets',"
                "'code':'%s','display':'%s'}]},",
                code->code, code->display);
        return;
    }
}

static void put_item(gen *g, claim *c, unsigned sequence)
{
    char date[GEN_DATE_SIZE];
    money m = draw_money(g, c->kind);
    gen_put(g, "%s{'sequence':%u,'careTeamSequence':[1],", sequence == 1 ? "" : ",", sequence);
    if (c->kind != PHARMACY)
        gen_put(g, "'diagnosisSequence':[1],");
    put_service(g, c->kind);
    gen_put(g, "'servicedDate':'%s',", gen_date(gen_between(g, c->from, c->to), date));
    if (c->kind == PROFESSIONAL) {
        const gen_code *place = gen_pick(g, places);
        gen_put(g,
                "'locationCodeableConcept':{'coding':[{'system':'https://www.cms.gov/Medicare/Coding/"
                "place-of-service-codes/"
                "Place_of_Service_Code_Set','code':'%s','display':'%s'}]},",
                place->code, place->display);
    }
    gen_put(g, "'quantity':{'value':%u},'net':{'value':%llu.%02u,'currency':'USD'},'adjudication':[",
            (unsigned)gen_between(g, 1, 3), (unsigned long long)(m.submitted / 100), (unsigned)(m.submitted % 100));
    put_amounts(g, &m);
    gen_put(g, ",{'category':" CODE(C4BB "C4BBAdjudicationDiscriminator", "benefitpaymentstatus") ",'reason':" CODE(
                   C4BB "C4BBPayerAdjudicationStatus", "innetwork") "}]}");
    c->total.submitted += m.submitted;
    c->total.allowed += m.allowed;
    c->total.deductible += m.deductible;
    c->total.coinsurance += m.coinsurance;
    c->total.paid += m.paid;
}

static void put_items(gen *g, claim *c)
{
    char date[GEN_DATE_SIZE];
    unsigned items = (unsigned)gen_between(g, shapes[c->kind].items_min, shapes[c->kind].items_max);
    gen_put(g, "'insurance':[{'focal':true,'coverage':{'reference':'Coverage/%s-cov'}}],'item':[", c->member);
    for (unsigned i = 1; i <= items; i++)
        put_item(g, c, i);
    gen_put(g, "],'total':[");
    put_amounts(g, &c->total);
    gen_put(g,
            "],'payment':{'type':" CODE(HL7 "ex-paymenttype", "complete") ",'date':'%s','amount':{'value':%llu.%02u,"
                                                                          "'currency':'USD'}}}\n",
            gen_date(c->paid_on, date), (unsigned long long)(c->total.paid / 100), (unsigned)(c->total.paid % 100));
}

void gen_claim(gen *g, const char *member, unsigned number, int64_t first_day, int64_t last_day)
{
    claim c = {.kind = draw_kind(g), .member = member, .from = gen_between(g, first_day, last_day - 14)};
    char profile[160];
    (void)snprintf(c.id, sizeof(c.id), "%s-eob%03u", member, number);
    c.to = c.from + (c.kind == INPATIENT ? gen_between(g, 1, 12) : 0);
    c.paid_on = c.to + gen_between(g, 5, 40);
    c.practitioner = (unsigned)gen_between(g, 1, GEN_PRACTITIONERS);
    c.organization = (unsigned)gen_between(g, 1, c.kind == PHARMACY ? GEN_PHARMACIES : GEN_FACILITIES);
    (void)snprintf(profile, sizeof(profile), "http://hl7.org/fhir/us/carin-bb/StructureDefinition/%s|2.1.0",
                   shapes[c.kind].profile);
    gen_head(g, "ExplanationOfBenefit", c.id, profile, c.paid_on + gen_between(g, 0, 20));
    put_parties(g, &c);
    put_supporting_info(g, &c);
    put_diagnoses(g, &c);
    put_items(g, &c);
}
