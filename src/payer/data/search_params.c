/* SPDX-License-Identifier: Apache-2.0 */
/* search_params.c - a table, and looking into it. Owns no state. */
#include "payer/data/search_params.h"

#include "payer/data/data.h"

#define HAVE_STATUS                                                                                                    \
    " Account AdverseEvent Appointment CarePlan CareTeam ChargeItem Claim ClaimResponse ClinicalImpression"            \
    " Communication CommunicationRequest Composition Consent Coverage CoverageEligibilityRequest"                      \
    " CoverageEligibilityResponse DetectedIssue Device DeviceRequest DiagnosticReport DocumentManifest"                \
    " DocumentReference Encounter EnrollmentRequest EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory"            \
    " ImagingStudy Immunization Invoice List Location MeasureReport Media Medication MedicationAdministration"         \
    " MedicationDispense MedicationRequest MedicationStatement NutritionOrder Observation Procedure"                   \
    " QuestionnaireResponse RequestGroup ResearchSubject RiskAssessment ServiceRequest Specimen SupplyDelivery"        \
    " SupplyRequest VisionPrescription "

static const sb_search_param params[] = {
    {"_id", SB_SEARCH_ID, NULL, NULL},
    {"_lastUpdated", SB_SEARCH_UPDATED, NULL, NULL},
    {"_tag", SB_SEARCH_TOKEN, NULL, "meta.tag"},
    {"_security", SB_SEARCH_TOKEN, NULL, "meta.security"},
    {"patient", SB_SEARCH_PATIENT, NULL, NULL}, /* of the compartment's types: see sb_search_param_find() */
    {"beneficiary", SB_SEARCH_PATIENT, " Coverage ", NULL},
    {"identifier", SB_SEARCH_TOKEN, NULL, "identifier"},

    {"service-date", SB_SEARCH_DATE, " ExplanationOfBenefit Claim ",
     "billablePeriod|item.servicedDate|item.servicedPeriod"},
    {"billable-period-start", SB_SEARCH_DATE, " ExplanationOfBenefit Claim ", "billablePeriod.start"},
    {"created", SB_SEARCH_DATE,
     " ExplanationOfBenefit Claim ClaimResponse CoverageEligibilityRequest CoverageEligibilityResponse ", "created"},
    {"date", SB_SEARCH_DATE, " AllergyIntolerance ", "recordedDate"},
    {"date", SB_SEARCH_DATE, " CarePlan ClinicalImpression EpisodeOfCare Encounter CareTeam ",
     "period|date|effectivePeriod"},
    {"date", SB_SEARCH_DATE, " AdverseEvent Composition DocumentReference FamilyMemberHistory List MeasureReport ",
     "date"},
    {"date", SB_SEARCH_DATE, " Appointment ", "start"},
    {"date", SB_SEARCH_DATE, " Consent ", "dateTime"},
    {"date", SB_SEARCH_DATE, " Immunization ", "occurrenceDateTime"},
    {"date", SB_SEARCH_DATE, " Observation DiagnosticReport ", "effectiveDateTime|effectivePeriod|effectiveInstant"},
    {"date", SB_SEARCH_DATE, " Procedure ", "performedDateTime|performedPeriod"},
    {"date", SB_SEARCH_DATE, " RiskAssessment ", "occurrenceDateTime|occurrencePeriod"},
    {"authored", SB_SEARCH_DATE, " ServiceRequest ", "authoredOn"},
    {"authored", SB_SEARCH_DATE, " QuestionnaireResponse ", "authored"},
    {"authoredon", SB_SEARCH_DATE, " MedicationRequest ", "authoredOn"},
    {"occurrence", SB_SEARCH_DATE, " ServiceRequest ", "occurrenceDateTime|occurrencePeriod"},
    {"onset-date", SB_SEARCH_DATE, " Condition ", "onsetDateTime|onsetPeriod"},
    {"recorded-date", SB_SEARCH_DATE, " Condition ", "recordedDate"},
    {"abatement-date", SB_SEARCH_DATE, " Condition ", "abatementDateTime|abatementPeriod"},
    {"issued", SB_SEARCH_DATE, " DiagnosticReport ", "issued"},
    {"period", SB_SEARCH_DATE, " Coverage DocumentReference ", "period|context.period"},
    {"effective", SB_SEARCH_DATE, " MedicationStatement ", "effectiveDateTime|effectivePeriod"},
    {"effective-time", SB_SEARCH_DATE, " MedicationAdministration ", "effectiveDateTime|effectivePeriod"},
    {"whenhandedover", SB_SEARCH_DATE, " MedicationDispense ", "whenHandedOver"},
    {"whenprepared", SB_SEARCH_DATE, " MedicationDispense ", "whenPrepared"},
    {"started", SB_SEARCH_DATE, " ImagingStudy ", "started"},
    {"birthdate", SB_SEARCH_DATE, " Patient RelatedPerson ", "birthDate"},

    {"status", SB_SEARCH_CODE, HAVE_STATUS, "status"},
    {"use", SB_SEARCH_CODE, " Claim ClaimResponse ExplanationOfBenefit ", "use"},
    {"outcome", SB_SEARCH_CODE, " ClaimResponse ExplanationOfBenefit ", "outcome"},
    {"intent", SB_SEARCH_CODE, " CarePlan DeviceRequest MedicationRequest RequestGroup ServiceRequest ", "intent"},
    {"lifecycle-status", SB_SEARCH_CODE, " Goal ", "lifecycleStatus"},
    {"active", SB_SEARCH_CODE, " Patient Practitioner PractitionerRole Organization HealthcareService ", "active"},
    {"gender", SB_SEARCH_CODE, " Patient Practitioner RelatedPerson ", "gender"},

    {"type", SB_SEARCH_CODE, " AllergyIntolerance ", "type"},
    {"type", SB_SEARCH_TOKEN,
     " Account Claim Composition Coverage Device DocumentManifest DocumentReference Encounter EpisodeOfCare"
     " ExplanationOfBenefit Invoice Location Media MedicationDispense Organization Specimen ",
     "type"},
    {"class", SB_SEARCH_TOKEN, " Encounter ", "class"},
    {"category", SB_SEARCH_CODE, " AllergyIntolerance ", "category"},
    {"category", SB_SEARCH_TOKEN,
     " AdverseEvent CarePlan CareTeam Communication CommunicationRequest Composition Condition Consent"
     " DiagnosticReport DocumentReference Goal MedicationRequest MedicationStatement Observation Procedure"
     " ServiceRequest SupplyRequest ",
     "category"},
    {"clinical-status", SB_SEARCH_TOKEN, " AllergyIntolerance Condition ", "clinicalStatus"},
    {"verification-status", SB_SEARCH_TOKEN, " AllergyIntolerance Condition ", "verificationStatus"},
    {"code", SB_SEARCH_TOKEN,
     " AllergyIntolerance Condition DetectedIssue DiagnosticReport List Medication Observation Procedure"
     " ServiceRequest ",
     "code"},
    {"vaccine-code", SB_SEARCH_TOKEN, " Immunization ", "vaccineCode"},
};

static bool is_for(const sb_search_param *param, sb_str type)
{
    if (!param->types)
        return param->kind != SB_SEARCH_PATIENT ||
               (sb_data_type_in_compartment(type) && !sb_str_eq(type, SB_STR_LIT("Patient")));
    sb_str rest = sb_str_from(param->types), one;
    while (sb_str_split(&rest, ' ', &one)) {
        if (one.len > 0 && sb_str_eq(one, type))
            return true;
    }
    return false;
}

const sb_search_param *sb_search_param_find(sb_str type, sb_str name)
{
    for (size_t i = 0; i < SB_ARRAY_LEN(params); i++) {
        if (sb_str_eq(sb_str_from(params[i].name), name) && type.len > 0 && is_for(&params[i], type))
            return &params[i];
    }
    return NULL;
}
