/* SPDX-License-Identifier: Apache-2.0 */
/* fhir_types.c - the resource types of FHIR R4, and which of them belong to a patient. Owns no state. */
#include "payer/data/fhir_types.h"

/* In the R4 patient compartment, alphabetical; and Device, which names its patient too. Group, Person, Schedule and
 * AuditEvent are in it by the letter, but through members or agents, not through a patient they are about: they are not
 * given away with a patient. */
static const char *const compartment[] = {"Account",
                                          "AdverseEvent",
                                          "AllergyIntolerance",
                                          "Appointment",
                                          "AppointmentResponse",
                                          "Basic",
                                          "BodyStructure",
                                          "CarePlan",
                                          "CareTeam",
                                          "ChargeItem",
                                          "Claim",
                                          "ClaimResponse",
                                          "ClinicalImpression",
                                          "Communication",
                                          "CommunicationRequest",
                                          "Composition",
                                          "Condition",
                                          "Consent",
                                          "Coverage",
                                          "CoverageEligibilityRequest",
                                          "CoverageEligibilityResponse",
                                          "DetectedIssue",
                                          "Device",
                                          "DeviceRequest",
                                          "DeviceUseStatement",
                                          "DiagnosticReport",
                                          "DocumentManifest",
                                          "DocumentReference",
                                          "Encounter",
                                          "EnrollmentRequest",
                                          "EpisodeOfCare",
                                          "ExplanationOfBenefit",
                                          "FamilyMemberHistory",
                                          "Flag",
                                          "Goal",
                                          "ImagingStudy",
                                          "Immunization",
                                          "ImmunizationEvaluation",
                                          "ImmunizationRecommendation",
                                          "Invoice",
                                          "List",
                                          "MeasureReport",
                                          "Media",
                                          "MedicationAdministration",
                                          "MedicationDispense",
                                          "MedicationRequest",
                                          "MedicationStatement",
                                          "MolecularSequence",
                                          "NutritionOrder",
                                          "Observation",
                                          "Patient",
                                          "Procedure",
                                          "QuestionnaireResponse",
                                          "RelatedPerson",
                                          "RequestGroup",
                                          "ResearchSubject",
                                          "RiskAssessment",
                                          "ServiceRequest",
                                          "Specimen",
                                          "SupplyDelivery",
                                          "SupplyRequest",
                                          "VisionPrescription"};

static const char *const others[] = {"ActivityDefinition",
                                     "AuditEvent",
                                     "Binary",
                                     "BiologicallyDerivedProduct",
                                     "Bundle",
                                     "CapabilityStatement",
                                     "CatalogEntry",
                                     "ChargeItemDefinition",
                                     "CodeSystem",
                                     "CompartmentDefinition",
                                     "ConceptMap",
                                     "Contract",
                                     "DeviceDefinition",
                                     "DeviceMetric",
                                     "EffectEvidenceSynthesis",
                                     "Endpoint",
                                     "EnrollmentResponse",
                                     "EventDefinition",
                                     "Evidence",
                                     "EvidenceVariable",
                                     "ExampleScenario",
                                     "GraphDefinition",
                                     "Group",
                                     "GuidanceResponse",
                                     "HealthcareService",
                                     "ImplementationGuide",
                                     "InsurancePlan",
                                     "Library",
                                     "Linkage",
                                     "Location",
                                     "Measure",
                                     "Medication",
                                     "MedicationKnowledge",
                                     "MedicinalProduct",
                                     "MedicinalProductAuthorization",
                                     "MedicinalProductContraindication",
                                     "MedicinalProductIndication",
                                     "MedicinalProductIngredient",
                                     "MedicinalProductInteraction",
                                     "MedicinalProductManufactured",
                                     "MedicinalProductPackaged",
                                     "MedicinalProductPharmaceutical",
                                     "MedicinalProductUndesirableEffect",
                                     "MessageDefinition",
                                     "MessageHeader",
                                     "NamingSystem",
                                     "ObservationDefinition",
                                     "OperationDefinition",
                                     "OperationOutcome",
                                     "Organization",
                                     "OrganizationAffiliation",
                                     "PaymentNotice",
                                     "PaymentReconciliation",
                                     "Person",
                                     "PlanDefinition",
                                     "Practitioner",
                                     "PractitionerRole",
                                     "Provenance",
                                     "Questionnaire",
                                     "ResearchDefinition",
                                     "ResearchElementDefinition",
                                     "ResearchStudy",
                                     "RiskEvidenceSynthesis",
                                     "Schedule",
                                     "SearchParameter",
                                     "Slot",
                                     "SpecimenDefinition",
                                     "StructureDefinition",
                                     "StructureMap",
                                     "Subscription",
                                     "Substance",
                                     "SubstanceNucleicAcid",
                                     "SubstancePolymer",
                                     "SubstanceProtein",
                                     "SubstanceReferenceInformation",
                                     "SubstanceSourceMaterial",
                                     "SubstanceSpecification",
                                     "Task",
                                     "TerminologyCapabilities",
                                     "TestReport",
                                     "TestScript",
                                     "ValueSet",
                                     "VerificationResult"};

/* About nobody's health: what claims refer to, and what may therefore go with any patient's data. Everything else that
 * is not in the compartment may be about somebody (Provenance, Task, Person …) and goes with a whole system only. */
static const char *const shared[] = {"Endpoint",        "HealthcareService", "InsurancePlan",           "Location",
                                     "Medication",      "Organization",      "OrganizationAffiliation", "Practitioner",
                                     "PractitionerRole"};

static bool listed(const char *const *names, size_t count, sb_str name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        sb_str it = sb_str_from(names[middle]);
        int order = memcmp(name.ptr, it.ptr, SB_MIN(name.len, it.len));
        if (order == 0 && name.len == it.len)
            return true;
        if (order < 0 || (order == 0 && name.len < it.len))
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

bool sb_data_type_in_compartment(sb_str name)
{
    return name.len > 0 && listed(compartment, SB_ARRAY_LEN(compartment), name);
}

bool sb_fhir_type_known(sb_str name)
{
    return sb_data_type_in_compartment(name) || (name.len > 0 && listed(others, SB_ARRAY_LEN(others), name));
}

bool sb_fhir_type_shared(sb_str name)
{
    return name.len > 0 && listed(shared, SB_ARRAY_LEN(shared), name);
}

size_t sb_fhir_type_count(void)
{
    return SB_ARRAY_LEN(compartment) + SB_ARRAY_LEN(others);
}

/* The two lists merged. */
const char *sb_fhir_type_at(size_t index)
{
    size_t a = 0, b = 0;
    const char *name = NULL;
    for (size_t i = 0; i <= index; i++) {
        bool first =
            b == SB_ARRAY_LEN(others) || (a < SB_ARRAY_LEN(compartment) && strcmp(compartment[a], others[b]) < 0);
        name = first ? compartment[a++] : others[b++];
    }
    return name;
}
