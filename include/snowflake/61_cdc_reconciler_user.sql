-- as: SECURITYADMIN
-- when: service_public_key
GRANT ROLE RECONCILER TO USER {service_user};
